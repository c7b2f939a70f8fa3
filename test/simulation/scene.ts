/** What all parts of one run share: its time, its chance, its table, its engine, its judge. */
import type { ComputeSettings } from '../../lib/jobs/core.ts'
import type { Timing } from '../../lib/jobs/timing.ts'
import type { JobKey, JobSpec } from '../../lib/jobs/types.ts'
import type { Faults } from './faults.ts'
import type { Judge } from './judge.ts'
import type { Profile } from './engines/profile.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimEngine } from './sim-engine.ts'
import type { Table } from './sim-store.ts'
import { HOUR, MINUTE, SECOND } from './time.ts'

export interface Scene {
  readonly random: Random
  readonly scheduler: Scheduler
  readonly faults: Faults
  readonly timing: Timing
  readonly profile: Profile
  readonly engine: SimEngine
  readonly judge: Judge
  readonly table: Table
  readonly jids: readonly string[]
  /** Jids that a client has asked to cancel. */
  readonly asked: Set<string>
  /** Tells a step, if somebody listens. */
  say(line: () => string): void
  /** Counts one use of a window that the engine leaves open. */
  window(name: string): void
}

/** The deployment's durations, shortened so that a whole life of a job fits into a few simulated hours. */
const TIMING: Timing = {
  requestBudget: 8 * SECOND,
  lease: 30 * SECOND,
  callWithin: 20 * SECOND,
  dispatchBudget: 50 * SECOND,
  backoffLeast: SECOND,
  backoffGreatest: MINUTE,
  dispatchTries: 8,
  commitWithin: 15 * MINUTE,
  pullWithin: 12 * MINUTE,
  startWithin: 20 * MINUTE,
  runLimit: 15 * MINUTE,
  absentGrace: MINUTE,
  absentLooks: 3,
  unreachableAfter: 30 * MINUTE,
  retention: 30 * MINUTE,
  tombstone: 2 * HOUR,
  reconcileAfter: 30 * SECOND,
  sweepEvery: 5 * MINUTE,
  leftoverGrace: 5 * MINUTE,
  breakerAfter: 3,
  breakerFor: 30 * SECOND,
  keptCheck: 10 * MINUTE,
  cleanupBudget: 45 * SECOND,
  captureWithin: 5 * MINUTE,
}

/** Safety never depends on these: some runs have them so short that they are always over. */
export function timingOf(random: Random): Timing {
  const { lease, leftoverGrace, sweepEvery, requestBudget, dispatchTries, unreachableAfter, startWithin, runLimit } = TIMING
  return {
    ...TIMING,
    lease: random.pick([SECOND, lease]),
    leftoverGrace: random.pick([1, SECOND, leftoverGrace]),
    sweepEvery: random.pick([SECOND, MINUTE, sweepEvery]),
    requestBudget: random.pick([2 * SECOND, requestBudget]),
    dispatchTries: random.pick([2, dispatchTries]),
    unreachableAfter: random.pick([4 * MINUTE, unreachableAfter]),
    startWithin: random.pick([4 * MINUTE, startWithin]),
    runLimit: random.pick([4 * MINUTE, runLimit]),
  }
}

/** The store accepts a signed request for so long. */
export const SIGNED_FOR = 14 * MINUTE
/** A call to an engine is late by so much at most. */
export const LATEST_CALL = HOUR
/** Shortest and longest run of a job, by seed. */
export const RUNS = [
  [10, 3 * SECOND],
  [50, 2 * MINUTE],
  [SECOND, 20 * MINUTE],
] as const
export const COMPUTE = 'sim'

export const keyOf = (jid: string): JobKey => ({ compute: COMPUTE, jid })

export function specOf(image: string): JobSpec {
  const limits = { workers: 1, cpuLimit: 0, memoryLimit: 0, gpuLimit: 0, timeLimit: 0 }
  return { image, entrypoint: ['run'], args: [], env: [], mounts: [], ...limits, auid: 'sim' }
}

export const settingsOf = (removeJobs: boolean): ComputeSettings => ({
  name: COMPUTE,
  type: 'simulated',
  storage: { type: 'hostPath' },
  homeWorkaround: false,
  labels: {},
  logsTail: 100,
  ignoreLimits: false,
  removeJobs,
  defaults: { cpuLimit: 0, memoryLimit: 0, gpuLimit: 0 },
})
