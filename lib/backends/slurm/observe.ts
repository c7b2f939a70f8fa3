import type { AccountedJob, SlurmExit, SlurmJob } from '../../engines/slurm-codec.ts'
import type { Reason } from '../../jobs/reasons.ts'
import type { Observation } from '../contract.ts'

type Live = 'waiting' | 'running' | 'stopping'

/**
 * Job states and flags: `slurm.schedmd.com/job_state_codes.html`. A flag says more than the base state beside it, so the first of these
 * counts.
 */
const LIVE: Readonly<Record<string, Live>> = {
  COMPLETING: 'stopping',
  STAGE_OUT: 'stopping',
  REQUEUED: 'waiting',
  REQUEUE_FED: 'waiting',
  REQUEUE_HOLD: 'waiting',
  RESV_DEL_HOLD: 'waiting',
  SPECIAL_EXIT: 'waiting',
  CONFIGURING: 'waiting',
  POWER_UP_NODE: 'waiting',
  RESIZING: 'running',
  SIGNALING: 'running',
  STOPPED: 'running',
  SUSPENDED: 'running',
  RUNNING: 'running',
  PENDING: 'waiting',
}

/** What a final state says of the end; `withdrawn`: the job never began. */
type Ending = (job: Job) => { reason: Reason; exitCode?: number | undefined } | 'withdrawn'
type Job = AccountedJob & Partial<Pick<SlurmJob, 'description'>>

/** By the same page. `nodes` is empty for a job that never had a place; the accounting database tells it by the start. */
const ENDINGS: Readonly<Record<string, Ending>> = {
  COMPLETED: () => ({ reason: 'Completed', exitCode: 0 }),
  FAILED: byExit,
  LAUNCH_FAILED: () => ({ reason: 'StartFailed' }),
  RECONFIG_FAIL: () => ({ reason: 'StartFailed' }),
  CANCELLED: (job) => (hasBegun(job) ? { reason: 'StoppedOutside', exitCode: signalled(job.exit) } : 'withdrawn'),
  TIMEOUT: ({ exit }) => ({ reason: 'TimeLimit', exitCode: signalled(exit) }),
  OUT_OF_MEMORY: () => ({ reason: 'OutOfMemory' }),
  NODE_FAIL: () => ({ reason: 'HostLost' }),
  PREEMPTED: ({ exit }) => ({ reason: 'Preempted', exitCode: signalled(exit) }),
  BOOT_FAIL: () => ({ reason: 'BootFailed' }),
  DEADLINE: (job) => ({ reason: 'EngineDeadline', exitCode: signalled(job.exit) }),
  REVOKED: () => ({ reason: 'Evicted' }),
}

/** What sh(1) exits with for a program that is not there, or cannot be executed. */
const SHELL_CODES: ReadonlyMap<number, Reason> = new Map([
  [126, 'NotExecutable'],
  [127, 'CommandNotFound'],
])

/** Linux has signals up to 64; SLURM writes others into a status for its own purposes, as 125 for a lack of memory. */
const LAST_SIGNAL = 64

function byExit({ exit }: Job): { reason: Reason; exitCode?: number } {
  // The accounting database of v0.0.38 does not say.
  if (exit === undefined) return { reason: 'NonZeroExit' }
  // A status of wait(2) has the one or the other: both is SLURM's own word for an output that it could not open.
  if ((exit.code !== 0) === (exit.signal !== 0)) return { reason: 'StartFailed' }
  if (exit.signal > LAST_SIGNAL) return { reason: 'StartFailed' }
  if (exit.signal !== 0) return { reason: 'KilledBySignal', exitCode: 128 + exit.signal }
  return { reason: SHELL_CODES.get(exit.code) ?? 'NonZeroExit', exitCode: exit.code }
}

/** The exit code of a job that SLURM has ended, never a 0, which would count as its own success. */
function signalled(exit: SlurmExit | undefined): number | undefined {
  if (exit === undefined) return undefined
  if (exit.signal > 0 && exit.signal <= LAST_SIGNAL) return 128 + exit.signal
  return exit.code > 0 ? exit.code : undefined
}

/** What `nodes` is for a job without a place. */
const NOWHERE: readonly string[] = ['', '(null)', 'None assigned']

/** Of a job that was cancelled while it waited, SLURM says that it began and ended at one moment. */
function hasBegun({ nodes, startTime, endTime }: Job): boolean {
  if (nodes !== undefined) return !NOWHERE.includes(nodes)
  return startTime !== undefined && (endTime === undefined || endTime > startTime)
}

/** Why a job waits, for those words that a person may not know: job_reason_codes.html. */
const WAITS: Readonly<Record<string, string>> = {
  BadConstraints: 'no node of the partition can ever run it: see its cpu, memory and gpu limits',
  JobHeldAdmin: 'an administrator holds it',
  PartitionConfig: 'it asks for more than its partition allows',
  PartitionTimeLimit: 'its time limit is above that of its partition',
  PartitionDown: 'its partition is down',
  Priority: 'others go before it',
  Resources: 'there is no room for it yet',
}

/** A job that was made and never released. One that SLURM has put back into the queue is none, though it may be held as well. */
function isInert({ states, reason, restarts }: SlurmJob): boolean {
  return states.length === 1 && states[0] === 'PENDING' && reason === 'JobHeldUser' && restarts === 0
}

export const isFinal = (observation: Observation): boolean =>
  observation.kind === 'state' && (observation.phase === 'ended' || observation.phase === 'withdrawn')

/** What the controller says of a job. A word that is not in the tables is no state at all. */
export function observationOf(job: SlurmJob): Observation {
  return isInert(job) ? { kind: 'inert' } : stateOf(job)
}

/** What the accounting database says of a job that the controller has forgotten: only an end means anything. */
export function accountedObservation(job: AccountedJob): Observation {
  const seen = stateOf(job)
  if (seen.kind !== 'state' || isFinal(seen)) return seen
  return { kind: 'unknown', error: `the controller has no such job, and for the accounting database it is ${job.states.join(' ')}` }
}

function stateOf(job: Job): Observation {
  const { states } = job
  const unmapped = states.filter((state) => LIVE[state] === undefined && ENDINGS[state] === undefined)
  if (states.length === 0 || unmapped.length > 0) {
    return { kind: 'unknown', error: `the state ${states.join(' ') || '(none)'} is not known to this release` }
  }
  const live = Object.keys(LIVE).find((state) => states.includes(state))
  if (live !== undefined) return liveObservation(LIVE[live] ?? 'waiting', live, job)
  const ending = Object.keys(ENDINGS).find((state) => states.includes(state)) ?? ''
  const answer = ENDINGS[ending]?.(job) ?? 'withdrawn'
  const finishedAt = milliseconds(job.endTime)
  const message = ending === 'COMPLETED' ? undefined : [ending, ...told(job)].join(': ')
  if (answer === 'withdrawn') return { kind: 'state', phase: 'withdrawn', finishedAt, message }
  const startedAt = hasBegun(job) ? milliseconds(job.startTime) : undefined
  return { kind: 'state', phase: 'ended', ...answer, startedAt, finishedAt, message }
}

function liveObservation(phase: Live, state: string, job: Job): Observation {
  if (phase === 'waiting') {
    const why = [WAITS[job.reason], ...told(job)].filter((text) => text !== undefined)
    return { kind: 'state', phase, message: [...(state === 'PENDING' ? [] : [state]), ...why].join(': ') || state }
  }
  const isUsual = state === 'RUNNING' || state === 'COMPLETING'
  return { kind: 'state', phase, startedAt: milliseconds(job.startTime), ...(isUsual ? {} : { message: state }) }
}

/** SLURM's own words. */
function told({ reason, description = '' }: Job): string[] {
  return [reason, description].filter((text, index, all) => text !== '' && text !== 'None' && all.indexOf(text) === index)
}

const milliseconds = (seconds: number | undefined): number | undefined => (seconds === undefined ? undefined : seconds * 1000)
