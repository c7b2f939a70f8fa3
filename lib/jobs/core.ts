import { EngineRejected, LogGone, NeedsPreparation, NotYet, type Backend, type Call, type CallLog } from '../backends/contract.ts'
import { errorText, PmanError } from '../errors.ts'
import type { Breaker } from './breaker.ts'
import type { KillPoint } from './kill-points.ts'
import { nonce, type RandomBytes } from './naming.ts'
import type { JobStore } from './store.ts'
import type { Timing } from './timing.ts'
import type { JobKey, JobRecord } from './types.ts'
import type { Row } from './writes.ts'

/** An inclusive range of numeric ids; both ends equal: that one. */
export interface IdRange {
  least: number
  greatest: number
}

/** Of a compute's settings, those that jobs are run by; `lib/config.ts` makes them. */
export interface ComputeSettings {
  name: string
  type: string
  storage: { type: string }
  user?: { uid: IdRange; gid: IdRange } | undefined
  homeWorkaround: boolean
  shmSizeMiB?: number | undefined
  labels: Readonly<Record<string, string>>
  /** Lines of log in a status answer. */
  logsTail: number
  ignoreLimits: boolean
  removeJobs: boolean
  timeLimitMinutes?: number | undefined
  /** What a job gets that asked for none; 0: no limit. */
  defaults: { cpuLimit: number; memoryLimit: number; gpuLimit: number }
  imageAllowList?: readonly string[] | undefined
}

/** Where waiting is done: the process's own timers, or the simulation's. */
export interface Timers {
  /** Calls back after so many milliseconds; the returned function takes that back. */
  after(milliseconds: number, then: () => void): () => void
}

/** What the use cases are built on; made once per process by `lib/app.ts`, injected in tests. */
export interface Core {
  store: JobStore
  computes: ReadonlyMap<string, ComputeSettings>
  /** The compute that the name `default` stands for. */
  defaultCompute: string
  /** The driver of a compute, made when it is first needed. Throws PmanError. */
  backend(compute: string): Promise<Backend>
  /** The deployment's id, on every engine object. */
  deployment(): Promise<string>
  /** Asks for a job to be dispatched by a function of its own, by its key alone. It may be lost, or come twice: cleanup asks again. */
  requestDispatch(key: JobKey): Promise<void>
  breaker: Breaker
  timing: Timing
  clock: () => number
  timers: Timers
  random: RandomBytes
  log: CallLog
  /** A test's hook, called at each place where the process may die; production has none. */
  reached?: (place: KillPoint) => void
}

/** The process's own timers. */
export const systemTimers: Timers = {
  after(milliseconds, then) {
    const timer = setTimeout(then, milliseconds)
    return () => clearTimeout(timer)
  },
}

export const sleep = (core: Core, milliseconds: number): Promise<void> =>
  new Promise((resolve) => void core.timers.after(milliseconds, resolve))

/** Who makes the changes, and until when: every engine call is aborted at the deadline, before the function answers. */
export interface Turn {
  by: string
  /** Milliseconds since 1970. */
  deadline: number
}

export const freshId = (core: Core): string => nonce(core.random)

/** The ids that every line about a job carries. */
export const idsOf = (record: JobRecord): Subject => ({
  compute: record.compute,
  jid: record.jid,
  generation: record.generation,
  auid: record.auid,
  ...(record.ref === undefined ? {} : { ref: record.ref }),
})

/** The engine was not asked at all, so that nothing new is known of it. */
export class NotAsked extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'NotAsked'
  }
}

/** The engine did not answer within the turn: what became of the call is not known. */
export class TurnOver extends Error {
  constructor() {
    super('the engine did not answer in time')
    this.name = 'TurnOver'
  }
}

/** Whom an engine call is about, for its log lines; the breaker goes by the compute. */
export type Subject = Record<string, unknown> & { compute: string }

/**
 * One engine call, aborted at the turn's deadline, or before it if the engine takes too long, and then given up even by a driver that does
 * not heed the signal. `within`: milliseconds for a call that may take longer than others.
 * Throws what the driver throws, TurnOver, or NotAsked: the turn was over before, or the engine is left alone for a while.
 */
export async function engineCall<T>(
  core: Core,
  turn: Turn,
  subject: Subject,
  make: (call: Call) => Promise<T>,
  within = core.timing.callWithin,
): Promise<T> {
  const { compute } = subject
  const deadline = Math.min(turn.deadline, core.clock() + within)
  const left = deadline - core.clock()
  if (left <= 0) throw new NotAsked('no time was left to ask the engine')
  if (!core.breaker.allows(compute)) throw new NotAsked('the engine has not answered lately and is left alone for a while')
  const controller = new AbortController()
  let cancel = (): void => undefined
  const over = new Promise<never>((_, reject) => {
    cancel = core.timers.after(left, () => {
      controller.abort(new TurnOver())
      reject(new TurnOver())
    })
  })
  const log: CallLog = (event, fields) => core.log(event, { ...subject, ...fields })
  try {
    const answer = await Promise.race([make({ signal: controller.signal, deadline, log }), over])
    core.breaker.answered(compute)
    return answer
  } catch (error) {
    // a refusal is an answer too
    if (ANSWERS.some((answer) => error instanceof answer)) core.breaker.answered(compute)
    else core.breaker.failed(compute)
    throw error
  } finally {
    cancel()
  }
}

const ANSWERS = [EngineRejected, NeedsPreparation, NotYet, LogGone]

/** Makes a write that starts from a record just read, and gives the record as it then is, whether the write was applied or not. */
export async function written(core: Core, record: JobRecord, turn: Turn, row: Row): Promise<JobRecord> {
  const result = await core.store.write(record, turn.by, row, record)
  return result.record ?? record
}

/** The engine could not be asked, or its answer is not known: the record stays, and cleanup goes on from it. Throws for the table alone. */
export function undecided(core: Core, record: JobRecord, event: string, error: unknown): JobRecord {
  if (error instanceof PmanError && error.code === 'store_unavailable') throw error
  core.log(event, { ...idsOf(record), error: errorText(error) })
  return record
}

/** Characters of the engine's words that are kept in a record. */
const MESSAGE_LENGTH = 2000

/** The engine's words, as they are kept in the record. */
export const short = (text: string): string => (text.length <= MESSAGE_LENGTH ? text : `${text.slice(0, MESSAGE_LENGTH - 1)}…`)
