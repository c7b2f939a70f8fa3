import * as z from 'zod'

import { DEFAULT_TIMING, TIMING_BOUNDS } from '../jobs/timing.ts'
import type { Timing } from '../jobs/timing.ts'
import { LEVELS } from '../log.ts'
import type { LogLevel } from '../log.ts'
import { valueOf } from './environment.ts'
import type { Environment, Path } from './environment.ts'
import { plainly, problemsOf } from './problems.ts'
import { oneOf, pairEntries, secretName, setting, wholeNumber } from './settings.ts'

/** What concerns the whole service and no compute; it comes from the environment, which the deployment sets. */
export interface ServiceConfig {
  /** The DynamoDB table. */
  readonly table: string
  /** The name of the secret with the callers' tokens. */
  readonly tokensSecret: string
  /** Lines below it are not written. */
  readonly logLevel: LogLevel
  readonly timing: Readonly<Timing>
}

const bounds = Object.entries(TIMING_BOUNDS) as [keyof Timing, readonly [number, number]][]

/** Some of Timing, as a mapping or as `key=value,key=value`. */
export const timingSchema = z.preprocess(
  (value) => (typeof value === 'string' ? fromPairs(value) : value),
  z.strictObject(
    Object.fromEntries(bounds.map(([key, [least, greatest]]) => [key, wholeNumber(least, greatest).optional()])),
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be key=value pairs in milliseconds, each key once' : undefined) },
  ),
)

function fromPairs(value: string): unknown {
  const entries = pairEntries(value)
  return entries ? Object.fromEntries(entries) : value
}

const tableName = setting(
  'the name of a DynamoDB table',
  (value) => (typeof value === 'string' && /^[A-Za-z0-9_.-]{3,255}$/.test(value) ? value : undefined),
)

const serviceSchema = z.strictObject({
  table: tableName,
  tokensSecret: secretName.default('pman/tokens'),
  logLevel: oneOf(LEVELS).default('info'),
  timing: timingSchema.optional(),
})

const NAMES: Readonly<Record<string, string>> = {
  table: 'JOBS_TABLE',
  tokensSecret: 'PMAN_TOKENS_SECRET',
  logLevel: 'PMAN_LOG_LEVEL',
  timing: 'PMAN_TIMING',
}

/** The service's settings, or what is wrong with them. PMAN_TIMING goes before the file's `timing`, and that before the defaults. */
export function readService(env: Environment, fileTiming: object = {}): { service?: ServiceConfig; problems: string[] } {
  const set = Object.entries(NAMES).flatMap(([key, name]) => {
    const value = valueOf(env, name)
    return value === undefined ? [] : [[key, value] as const]
  })
  const result = serviceSchema.safeParse(Object.fromEntries(set), { error: plainly })
  if (!result.success) return { problems: problemsOf(result.error, [], says) }
  return { service: { ...result.data, timing: { ...DEFAULT_TIMING, ...fileTiming, ...result.data.timing } }, problems: [] }
}

function says([key, ...rest]: Path): string {
  return [NAMES[String(key)] ?? String(key), ...rest.map(String)].join('.')
}
