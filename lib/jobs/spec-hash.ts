import { createHash } from 'node:crypto'
import type { JobSpec } from './types.ts'

/** Fields at their default are left out, so that a field added by a later release does not change the hash of older requests. */
function canonical(spec: JobSpec): string {
  const entries = Object.entries(spec).filter(([, value]) => value !== 0 && value !== '' && !(Array.isArray(value) && value.length === 0))
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The hash of what the caller asked for: the same jid with the same hash is the same submission. */
export function specHash(spec: JobSpec): string {
  return createHash('sha256').update(canonical(spec)).digest('hex').slice(0, 32)
}

/** The fields in which two specs differ, in the order of their names. */
export function differingFields(a: JobSpec, b: JobSpec): (keyof JobSpec)[] {
  const names = Object.keys(a) as (keyof JobSpec)[]
  return names.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name])).sort()
}
