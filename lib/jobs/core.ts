import type { Backend, Call, CallLog } from '../backends/contract.ts'
import { nonce, type RandomBytes } from './naming.ts'
import type { JobStore } from './store.ts'
import type { Timing } from './timing.ts'
import type { JobRecord } from './types.ts'

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
  timing: Timing
  clock: () => number
  random: RandomBytes
  log: CallLog
}

/** Who makes the changes, and until when: every engine call is aborted at the deadline, before the function answers. */
export interface Turn {
  by: string
  /** Milliseconds since 1970. */
  deadline: number
}

export const freshId = (core: Core): string => nonce(core.random)

/** The ids that every line about a job carries. */
export const idsOf = (record: JobRecord): Record<string, unknown> => ({
  compute: record.compute,
  jid: record.jid,
  generation: record.generation,
  auid: record.auid,
  ...(record.ref === undefined ? {} : { ref: record.ref }),
})

/** The engine did not answer within the turn: what became of the call is not known. */
export class TurnOver extends Error {
  constructor() {
    super('the engine did not answer in time')
    this.name = 'TurnOver'
  }
}

/** One engine call, aborted at the turn's deadline, and then given up even by a driver that does not heed the signal. */
export async function engineCall<T>(core: Core, turn: Turn, ids: Record<string, unknown>, make: (call: Call) => Promise<T>): Promise<T> {
  const left = turn.deadline - core.clock()
  if (left <= 0) throw new TurnOver()
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort(new TurnOver())
      reject(new TurnOver())
    }, left)
  })
  const log: CallLog = (event, fields) => core.log(event, { ...ids, ...fields })
  try {
    return await Promise.race([make({ signal: controller.signal, deadline: turn.deadline, log }), over])
  } finally {
    clearTimeout(timer)
  }
}
