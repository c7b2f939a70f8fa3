import type { Reason } from '../jobs/reasons.ts'
import type { JobSpec, LogBounds, LogTail } from '../jobs/types.ts'

/** What the backend needs to find the job again; kept in the record as it is, compared byte for byte. */
export type EngineRef = string

/** Who owns an engine object; on every object as labels, where the engine has room for them. */
export interface OwnerLabels {
  deployment: string
  compute: string
  jid: string
  generation: number
  specHash: string
}

/** A job as the engine is to run it: the caller's spec with the compute's settings applied. */
export interface EngineJob {
  /** Chosen at the intent, never derived: DNS-1123, at most 63 characters. */
  engineName: string
  owner: OwnerLabels
  spec: JobSpec
  argv: readonly string[]
  /** `KEY=value`, each key once. */
  env: readonly string[]
  /** 0: none. Thousandths of a CPU; MiB; count; seconds. */
  limits: { cpu: number; memory: number; gpu: number; time: number }
  user?: { uid: number; gid: number } | undefined
  /** JOB_LABELS: the site's own. */
  siteLabels: Readonly<Record<string, string>>
  shmSizeMiB?: number | undefined
}

/** A line of the log, with the ids of its call already on it. */
export type CallLog = (event: string, fields?: Record<string, unknown>) => void

/** What every call to an engine is given. The call is aborted before the function that made it answers. */
export interface Call {
  signal: AbortSignal
  /** Milliseconds since 1970. */
  deadline: number
  log: CallLog
}

/**
 * What the engine says of one job.
 * `absent` is its positive word that it has no such job; whatever could not be asked is `unknown`.
 * Phases: waiting (released, not yet begun), running, stopping, ended, withdrawn (cancelled before it ran).
 */
export type Observation =
  | {
      kind: 'state'
      phase: 'waiting' | 'running' | 'stopping'
      startedAt?: number | undefined
      message?: string | undefined
    }
  | {
      kind: 'state'
      phase: 'ended'
      reason: Reason
      exitCode?: number | undefined
      startedAt?: number | undefined
      finishedAt?: number | undefined
      message?: string | undefined
    }
  | { kind: 'state'; phase: 'withdrawn'; finishedAt?: number | undefined; message?: string | undefined }
  | { kind: 'inert' }
  | { kind: 'absent' }
  | { kind: 'unknown'; error: string }

/** An engine object that was found by name or in a list. */
export interface Found {
  engineName: string
  ref: EngineRef
  observation: Observation
  /** Missing where the engine has no room for labels. */
  labels?: OwnerLabels | undefined
}

/** What an engine can do with a field of a job, in the words that a refusal and the README's matrix use. */
export interface Supports {
  /** Runs the image; otherwise the command runs as it stands. */
  image: boolean
  memoryLimit: boolean
  cpuLimit: boolean
  gpuLimit: boolean
  env: boolean
  /** More than one copy of a job. */
  workers: boolean
  user: boolean
  /** The engine itself ends a job at its limit; otherwise cleanup does. */
  timeLimit: boolean
  logsWhileRunning: boolean
  /** One call answers for many jobs. */
  observesMany: boolean
  /** Stopping a job loses its log: it is read before. */
  stopForgets: boolean
  /** Objects carry the owner's labels. */
  labels: boolean
}

export interface Health {
  version: string
  latencyMs: number
}

/** The engine has refused: what was asked has not run and cannot. Anything else that a driver throws means "unknown". */
export class EngineRejected extends Error {
  readonly reason: Reason
  /** The request's fields that are to blame, where they are known. */
  readonly fields: Readonly<Record<string, string>> | undefined

  constructor(message: string, details: { reason?: Reason; fields?: Readonly<Record<string, string>>; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'EngineRejected'
    this.reason = details.reason ?? 'EngineRejected'
    this.fields = details.fields
  }
}

/** It cannot be done now and may be later, as with a registry that does not answer: the same call is made again. `reason`: how the job ends if its time is over first. */
export class NotYet extends Error {
  readonly reason: Reason

  constructor(message: string, reason: Reason, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'NotYet'
    this.reason = reason
  }
}

/** The engine has removed a job's log, and nobody will read it any more: what was read before is all there is. */
export class LogGone extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'LogGone'
  }
}

/** `create` cannot work before `prepare` has: the job goes to `pulling`. */
export class NeedsPreparation extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NeedsPreparation'
  }
}

/**
 * A driver of one engine type. Every call that changes the engine is safe when it arrives late, and twice.
 * Only objects of this deployment are read, stopped or removed.
 */
export interface Backend {
  readonly supports: Supports
  /** Milliseconds between two looks at one job that this engine bears. */
  readonly pollInterval: number

  /** Refuses, before anything is recorded, what can be seen to be wrong: throws EngineRejected naming the field. */
  check?(spec: JobSpec, call: Call): Promise<void>
  /** Makes ready what takes long, such as pulling the image; repeatable. Returns JSON of at most 4 KB, kept in the record. Throws NotYet, or EngineRejected. */
  prepare?(job: EngineJob, call: Call): Promise<string>
  /** Makes the job, unable to run. Throws NeedsPreparation, or EngineRejected; anything else means that it may or may not exist. */
  create(job: EngineJob, prepared: string | undefined, call: Call): Promise<EngineRef>
  /**
   * Lets the job run; safe for a ref that already runs, has ended, or is gone. `attempt` counts from 1 and is never used twice.
   * Throws EngineRejected: this attempt has not run it and cannot; anything else: unknown.
   */
  release(ref: EngineRef, attempt: number, call: Call): Promise<void>
  /** Every object with this engine name: a hint. [] = not seen; several where names are not unique. */
  find(engineName: string, call: Call): Promise<Found[]>
  /** What a service before this one has left on the engine under this jid, oldest first: read, and never changed. */
  inherited?(jid: string, call: Call): Promise<Found[]>
  /** What the engine says of each, same length and order; never throws for one of them. */
  observe(refs: readonly EngineRef[], call: Call): Promise<Observation[]>
  /** The end of the job's output; a job without output gives none. Throws LogGone, or anything else if it cannot be read now. */
  logs(ref: EngineRef, bounds: LogBounds, call: Call): Promise<LogTail>
  /** Ends the job, or makes sure that it never runs: a release that arrives later does not revive it. Its end stays readable unless `stopForgets`. */
  stop(ref: EngineRef, call: Call): Promise<'gone' | 'going'>
  /** Stops, then deletes. gone: it does not run, cannot run and is no longer there, or never was. */
  remove(ref: EngineRef, call: Call): Promise<'gone' | 'going'>
  /** Everything that this deployment owns there, in pages. */
  list(call: Call): AsyncIterable<Found>
  /** Throws if the engine does not answer or does not take the credentials. */
  health(call: Call): Promise<Health>
}

/** Where the jobs' data is, as `lib/config/compute.ts` has checked it. */
export interface StorageSettings {
  type: string
  storebase?: string | undefined
  volume?: string | undefined
  nfsServer?: string | undefined
  pfconSelector?: string | undefined
}

/** What a driver is made from: its own slice of settings and its credentials, never the environment. */
export interface BackendContext {
  compute: string
  deployment: string
  storage: StorageSettings
  /** Where the function runs: on AWS Lambda, or on a machine whose files and processes stay. */
  host: 'lambda' | 'machine'
  /** The driver's own options, which it parses itself. */
  options: Readonly<Record<string, unknown>>
  /** The text of the compute's secret, read when it is first needed and again when it has aged; `fresh`: now, as after a refusal. undefined without one. */
  credentials: (how?: { fresh: boolean }) => Promise<string | undefined>
}

/** What a driver's module exports. */
export interface BackendModule {
  supports: Supports
  /** What is wrong with these options, as `path: text`; empty if nothing is. */
  problems(context: Pick<BackendContext, 'options' | 'storage'>): string[]
  /** Makes the driver; throws PmanError `config` for options that `problems` names. Connects to nothing. */
  open(context: BackendContext): Backend
}
