import { join, posix } from 'node:path'
import { resolveInside } from '../../jobs/paths.ts'
import type { Mount } from '../../jobs/types.ts'
import { EngineRejected } from '../contract.ts'
import type { LaunchTemplate } from './template.ts'

/** Where a job sees its data; a mount on SHARE has both below it. */
const SHARE = '/share'
const PLACES = { input: `${SHARE}/incoming`, output: `${SHARE}/outgoing` } as const

/** The directories, on the nodes, that stand for {input} and {output}; empty where the template does not name one. */
export type Directories = Readonly<Record<keyof typeof PLACES, string>>

/** Throws EngineRejected for a directory that the template has no place for, or that it needs and the job does not have. */
export function directoriesOf(mounts: readonly Mount[], { names }: LaunchTemplate, storebase: string): Directories {
  const places: readonly string[] = [SHARE, ...Object.values(PLACES)]
  const strays = mounts.filter(({ target }) => !places.includes(target))
  const wrong = Object.fromEntries(strays.map(({ field, target }) => [field, `this compute has no way to mount ${target}`]))
  if (Object.keys(wrong).length > 0) throw rejected(wrong)
  const find = (name: keyof typeof PLACES): string => {
    const own = mounts.find(({ target }) => target === PLACES[name])
    const shared = mounts.find(({ target }) => target === SHARE)
    if (own !== undefined) return join(storebase, own.source)
    if (shared !== undefined) return join(storebase, shared.source, posix.basename(PLACES[name]))
    if (names.has(name)) throw rejected({ [`${name}_dir`]: `this compute mounts ${PLACES[name]}, and the job has nothing for it` })
    return ''
  }
  return { input: find('input'), output: find('output') }
}

/** Throws EngineRejected, with every field that is wrong; PmanError `engine_unavailable` if the storebase cannot be read. */
export async function requireDirectories(storebase: string, mounts: readonly Mount[]): Promise<void> {
  const wrong: Record<string, string> = {}
  for (const { field, source } of mounts) {
    const resolved = await resolveInside(storebase, source)
    if ('problem' in resolved) wrong[field] = `'${source}' ${resolved.problem}`
  }
  if (Object.keys(wrong).length > 0) throw rejected(wrong)
}

function rejected(fields: Readonly<Record<string, string>>): EngineRejected {
  return new EngineRejected(Object.entries(fields).map(([field, text]) => `${field}: ${text}`).join('; '), { fields })
}
