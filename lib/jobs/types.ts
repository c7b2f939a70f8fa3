import * as z from 'zod'

/** Where a job is: a compute and the caller's own id in it. */
export interface JobKey {
  compute: string
  /** The caller's job id, valid by `jobs/jid.ts`. */
  jid: string
}

/**
 * One directory of the storebase, as the job sees it.
 * `field` is the request's word for it, so that a refusal can name it.
 */
export const mountSchema = z.strictObject({
  field: z.string(),
  /** Relative to the storebase, without `..`, checked by `jobs/paths.ts`. */
  source: z.string(),
  /** Absolute, in the job. */
  target: z.string(),
  readOnly: z.boolean(),
})
export type Mount = z.infer<typeof mountSchema>

/**
 * What the caller asked for, coerced, in no dialect's words. It holds the caller's fields alone: no settings, nothing random.
 * A number of 0 means "none asked for"; the compute's default applies.
 */
export const jobSpecSchema = z.strictObject({
  image: z.string(),
  /** The program, in place of the image's ENTRYPOINT, and its first words; may be empty where `args` is not. */
  entrypoint: z.array(z.string()),
  args: z.array(z.string()),
  /** `KEY=value` each; the last one of a key wins. */
  env: z.array(z.string()),
  mounts: z.array(mountSchema),
  /** Copies of the job that run side by side, 1 or more. */
  workers: z.int(),
  /** Thousandths of a CPU. */
  cpuLimit: z.int(),
  /** MiB. */
  memoryLimit: z.int(),
  gpuLimit: z.int(),
  /** Seconds. */
  timeLimit: z.int(),
  /** Who asked, in the caller's own words; told in logs, never trusted. */
  auid: z.string(),
})
export type JobSpec = z.infer<typeof jobSpecSchema>

export const WAITING_STATES = ['queued', 'submitting', 'pulling'] as const
export const COMMITTED_STATES = ['submitted', 'running', 'cancelling'] as const
export const FINAL_STATES = ['succeeded', 'failed', 'cancelled', 'timed_out', 'lost'] as const
export const STATES = [...WAITING_STATES, ...COMMITTED_STATES, ...FINAL_STATES, 'deleted'] as const
/**
 * queued: accepted, waits for the previous generation to end. submitting, pulling: its holder works on it. submitted: the engine has it.
 * `deleted` is the tombstone that remembers what the engine may still hold.
 */
export type State = (typeof STATES)[number]
export type FinalState = (typeof FINAL_STATES)[number]

/** An earlier generation of the jid that the engine may still hold. */
export const previousSchema = z.strictObject({
  engineName: z.string(),
  generation: z.int(),
  /** Names its request item. */
  requestId: z.string(),
  /** Present if it was committed: then a new generation waits for its end. */
  ref: z.string().optional(),
  /** It has surely ended, and its object is kept (REMOVE_JOBS=no). */
  ended: z.boolean().optional(),
})
export type Previous = z.infer<typeof previousSchema>

/** One change of the record: what, when, by whom. `writeId` lets a writer whose answer was lost find its own write. */
export const historyEntrySchema = z.strictObject({
  at: z.int(),
  write: z.string(),
  state: z.enum(STATES),
  by: z.string(),
  writeId: z.string(),
  note: z.string().optional(),
})
export type HistoryEntry = z.infer<typeof historyEntrySchema>

export const SCHEMA_VERSION = 1

/** How a job ended, as the final write puts it; its reason names a row of `jobs/reasons.ts`. */
export const endSchema = z.strictObject({
  state: z.enum(FINAL_STATES),
  reason: z.string(),
  exitCode: z.int().optional(),
  message: z.string().optional(),
  startedAt: z.int().optional(),
  finishedAt: z.int().optional(),
})

/** The job item: what the system believes of one jid. Times are milliseconds since 1970. */
export const jobRecordSchema = z.strictObject({
  schemaVersion: z.literal(SCHEMA_VERSION),
  compute: z.string(),
  jid: z.string(),
  generation: z.int().min(1),
  state: z.enum(STATES),
  /** Why it ended; while `cancelling`, why it is being stopped; before the commit, why the last try has failed. Names a row of `jobs/reasons.ts`. */
  reason: z.string().optional(),
  /** The engine's own words on the state, or on a wait. */
  message: z.string().optional(),
  exitCode: z.int().optional(),
  /** Fields of the spec that were asked for and that this engine does not do. */
  warnings: z.array(z.string()),

  createdAt: z.int(),
  /** When the present state was entered. */
  stateSince: z.int(),
  /** When the wait for the previous generation ended. */
  readyAt: z.int().optional(),
  startedAt: z.int().optional(),
  finishedAt: z.int().optional(),
  /** Seconds that it may run; undefined: the deployment's limit. */
  timeLimit: z.int().optional(),

  specHash: z.string(),
  /** Names the request item `spec#<generation>#<requestId>`. */
  requestId: z.string(),
  image: z.string(),
  auid: z.string(),
  /** argv, where it is short enough to be kept here; otherwise it is in the request item alone. */
  command: z.array(z.string()).optional(),

  engineName: z.string(),
  /** Whoever holds the present epoch may commit. Random, never a counter. */
  epoch: z.string(),
  leaseUntil: z.int().optional(),
  prepared: z.string().optional(),
  /** How many tries to hand it to the engine have failed. */
  tries: z.int().optional(),
  ref: z.string().optional(),
  /** How often a release was begun; 0 before the commit. */
  attempt: z.int(),
  /** Final, and surely without a run: the same request starts a new generation. */
  neverRan: z.boolean().optional(),

  /** While `cancelling`: the engine was, or is about to be, told to stop it. */
  stopSent: z.boolean().optional(),

  previous: z.array(previousSchema),
  /** Names the log items that the final state refers to. */
  capture: z.string().optional(),
  logTruncated: z.boolean().optional(),

  /** When a look was last begun: who writes it is the one who asks the engine. */
  observedAt: z.int().optional(),
  /** The engine says that it has no such job: since when, and how often it said so. */
  absent: z.strictObject({ since: z.int(), looks: z.int() }).optional(),
  /** It has ended, but its log could not be read yet: the end that was seen, and since when. */
  endSeen: z.strictObject({ since: z.int(), end: endSchema }).optional(),
  /** The engine could not be asked: since when, and why. */
  unreachable: z.strictObject({ since: z.int(), error: z.string() }).optional(),
  /** The engine's object of this final record is gone. */
  engineRemoved: z.boolean().optional(),

  history: z.array(historyEntrySchema),
  /** Seconds since 1970; past it, the record counts as absent. */
  ttl: z.int().optional(),
  writeId: z.string(),
})
export type JobRecord = z.infer<typeof jobRecordSchema>

/** The end of a job's output: raw bytes, and whether something before them was left out. */
export interface LogTail {
  bytes: Uint8Array
  truncated: boolean
  /** What the lines begin with of those parts that the engine has removed: of these, what was read before is all there is. */
  gone?: readonly string[] | undefined
}

/** How much of a log is wanted: its last lines, and of these the last bytes. */
export interface LogBounds {
  tailLines: number
  maxBytes: number
}

export type Scope = 'read' | 'write'
/** An authenticated caller. `computes` undefined: all of them. */
export interface Principal {
  name: string
  scopes: readonly Scope[]
  computes?: readonly string[] | undefined
}
