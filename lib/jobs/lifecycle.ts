import type { Observation } from '../backends/contract.ts'
import { isReason, REASONS, type Reason } from './reasons.ts'
import type { Timing } from './timing.ts'
import {
  COMMITTED_STATES,
  FINAL_STATES,
  WAITING_STATES,
  type FinalState,
  type JobRecord,
  type State,
} from './types.ts'

export type CommittedState = (typeof COMMITTED_STATES)[number]

const waiting: ReadonlySet<State> = new Set(WAITING_STATES)
const committed: ReadonlySet<State> = new Set(COMMITTED_STATES)
const final: ReadonlySet<State> = new Set(FINAL_STATES)

/** Not yet handed to the engine: its holder, or whoever takes over, may still commit it. */
export const isWaiting = (state: State): boolean => waiting.has(state)
export const isFinal = (state: State): state is FinalState => final.has(state)
/** Accepted and not ended: it is waiting, or with the engine. */
export const isActive = (state: State): boolean => isWaiting(state) || committed.has(state)
/** The engine may be asked about it: it has a ref and has not ended. */
export const isObservable = (record: JobRecord): record is JobRecord & { ref: string; state: CommittedState } =>
  committed.has(record.state) && record.ref !== undefined

/** Within one generation, the states that may follow each state. A final state is followed by the tombstone alone. */
export const TRANSITIONS: Readonly<Record<State, readonly State[]>> = {
  queued: ['submitting', 'failed', 'cancelling', 'deleted'],
  submitting: ['pulling', 'submitted', 'failed', 'cancelling', 'deleted'],
  pulling: ['submitting', 'submitted', 'failed', 'cancelling', 'deleted'],
  submitted: ['running', 'cancelling', ...FINAL_STATES, 'deleted'],
  running: ['cancelling', ...FINAL_STATES, 'deleted'],
  cancelling: [...FINAL_STATES, 'deleted'],
  succeeded: ['deleted'],
  failed: ['deleted'],
  cancelled: ['deleted'],
  timed_out: ['deleted'],
  lost: ['deleted'],
  deleted: [],
}

/** How a job ended, as the final write puts it. */
export interface End {
  state: FinalState
  reason: Reason
  exitCode?: number | undefined
  message?: string | undefined
  startedAt?: number | undefined
  finishedAt?: number | undefined
}

/** The end that was seen before the log could be read; undefined: none, or one with a reason of a later release. */
const seenEnd = ({ endSeen }: JobRecord): End | undefined => (endSeen !== undefined && isReason(endSeen.end.reason) ? (endSeen.end as End) : undefined)

/** The final word on a job whose end was seen, and whose log nobody can read any more. */
function endWithoutLog(record: JobRecord): (Step & { do: 'end' }) | undefined {
  const end = seenEnd(record)
  if (end === undefined) return undefined
  const message = [end.message, 'its log could not be read'].filter((word) => word !== undefined).join('; ')
  return { do: 'end', end: { ...end, message }, forgotten: true }
}

/** The same, as a note carries it on. */
function endSeenOf(record: JobRecord): Seen['endSeen'] {
  const end = seenEnd(record)
  return end === undefined || record.endSeen === undefined ? undefined : { since: record.endSeen.since, end }
}

/** What a look at a job leads to. */
export type Step =
  | { do: 'nothing' }
  /** Write down what was seen; the state stays. */
  | { do: 'note'; seen: Seen }
  | { do: 'run'; seen: Seen }
  | { do: 'release' }
  | { do: 'stop' }
  /** `forgotten`: the engine has nothing left to read of it. */
  | { do: 'end'; end: End; forgotten?: true }

/** What a look leaves in the record: the engine's words, and since when it has been absent or unreachable. */
export interface Seen {
  message?: string | undefined
  startedAt?: number | undefined
  absent?: { since: number; looks: number } | undefined
  unreachable?: { since: number; error: string } | undefined
  endSeen?: { since: number; end: End } | undefined
}

/** One word for each observation: the columns of the table below. */
export const SIGHTS = ['inert', 'waiting', 'running', 'stopping', 'ended', 'withdrawn', 'absent', 'unknown'] as const
export type Sight = (typeof SIGHTS)[number]
export const sightOf = (observation: Observation): Sight => (observation.kind === 'state' ? observation.phase : observation.kind)

interface Look {
  record: JobRecord
  seen: Observation
  now: number
  timing: Timing
}

const nothing = (): Step => ({ do: 'nothing' })
const release = (): Step => ({ do: 'release' })
const stop = (): Step => ({ do: 'stop' })

function plain(seen: Observation): Seen {
  if (seen.kind !== 'state') return {}
  return { message: seen.message, startedAt: 'startedAt' in seen ? seen.startedAt : undefined }
}
const note = ({ seen }: Look): Step => ({ do: 'note', seen: plain(seen) })
const run = ({ seen }: Look): Step => ({ do: 'run', seen: plain(seen) })

const endFor = (reason: Reason, rest: Omit<End, 'state' | 'reason'> = {}): Step & { do: 'end' } => ({
  do: 'end',
  end: { ...rest, state: REASONS[reason].final, reason },
})

function itsOwnEnd({ seen }: Look): Step {
  if (seen.kind !== 'state' || seen.phase !== 'ended') return nothing()
  const { reason, exitCode, message, startedAt, finishedAt } = seen
  return endFor(reason, { exitCode, message, startedAt, finishedAt })
}

/**
 * While cancelling, an end with exit 0, or one before the request, stays the job's own; any other is what was asked for.
 * Once a stop was sent, the engine's clock is not asked: it may be behind ours.
 */
function endWhileCancelling(look: Look): Step {
  const { record, seen } = look
  if (seen.kind !== 'state' || seen.phase !== 'ended') return nothing()
  const before = record.stopSent !== true && seen.finishedAt !== undefined && seen.finishedAt < record.stateSince
  if (seen.exitCode === 0 || before) return itsOwnEnd(look)
  const { exitCode, message, startedAt, finishedAt } = seen
  return endFor(askedFor(record), { exitCode, message, startedAt, finishedAt })
}

/** Why a cancelling job is being stopped. */
function askedFor(record: JobRecord): Reason {
  return record.reason !== undefined && isReason(record.reason) ? record.reason : 'CancelRequested'
}

/** Absence becomes an end only after a grace period and several looks, and never a success. */
function absent({ record, now, timing }: Look): Step {
  const known = endWithoutLog(record)
  if (known !== undefined) return known
  const since = record.absent?.since ?? now
  const looks = (record.absent?.looks ?? 0) + 1
  if (looks >= timing.absentLooks && now - since >= timing.absentGrace) return { ...endFor('EngineForgot'), forgotten: true }
  return { do: 'note', seen: { message: 'the engine says that it has no such job', absent: { since, looks } } }
}

function unreachable({ record, seen, now, timing }: Look): Step {
  const error = seen.kind === 'unknown' ? seen.error : ''
  const since = record.unreachable?.since ?? now
  // a stop that nobody has confirmed for so long is given up too, but only by whoever has just asked in vain
  const begun = record.state === 'cancelling' && record.endSeen === undefined ? Math.min(since, record.stateSince) : since
  if (now - begun >= timing.unreachableAfter) {
    return endWithoutLog(record) ?? { ...endFor('EngineUnreachable', { message: error }), forgotten: true }
  }
  return { do: 'note', seen: { message: record.message, absent: record.absent, unreachable: { since, error }, endSeen: endSeenOf(record) } }
}

/**
 * Every sight in every state with the engine: what the look leads to.
 * `running` + inert is an engine that contradicts itself: nothing is released that may have run.
 */
export const LOOKS: Readonly<Record<CommittedState, Readonly<Record<Sight, (look: Look) => Step>>>> = {
  submitted: {
    inert: release,
    waiting: note,
    running: run,
    stopping: run,
    ended: itsOwnEnd,
    withdrawn: () => endFor('CancelledOutside'),
    absent,
    unknown: unreachable,
  },
  running: {
    inert: nothing,
    waiting: note,
    running: note,
    stopping: note,
    ended: itsOwnEnd,
    withdrawn: () => endFor('CancelledOutside'),
    absent,
    unknown: unreachable,
  },
  cancelling: {
    inert: stop,
    waiting: stop,
    running: stop,
    stopping: stop,
    ended: endWhileCancelling,
    withdrawn: ({ record }) => endFor(askedFor(record)),
    absent: ({ record }) => endWithoutLog(record) ?? { do: 'end', end: cancelledBeforeCommit(record), forgotten: true },
    unknown: unreachable,
  },
}

/** What a look at this job leads to. Pure; every state has an answer for every observation. */
export function decideLook(record: JobRecord, seen: Observation, now: number, timing: Timing): Step {
  if (!isObservable(record)) return nothing()
  return LOOKS[record.state][sightOf(seen)]({ record, seen, now, timing })
}

/** How a cancel of a job that was never committed ends. */
export const cancelledBeforeCommit = (record: JobRecord): End => ({ state: REASONS[askedFor(record)].final, reason: askedFor(record) })

/**
 * When a state has lasted too long, and what is done then. `exhaust` ends a job that never ran; `cancel` stops one; `look`: the next look
 * gives it up if the engine does not answer.
 */
export interface Deadline {
  at: number
  then: 'exhaust' | 'cancel' | 'look'
  reason: Reason
}

/** Every state that is not final has a deadline. */
export function deadlineOf(record: JobRecord, timing: Timing): Deadline | undefined {
  const { state, stateSince } = record
  switch (state) {
    case 'queued':
      return { at: stateSince + timing.unreachableAfter, then: 'exhaust', reason: 'DispatchExhausted' }
    case 'submitting':
      return notCommitted(record, timing)
    case 'pulling': {
      const pulled: Deadline = { at: stateSince + timing.pullWithin, then: 'exhaust', reason: toldOf(record) ?? 'ImagePullDeadline' }
      const committed = notCommitted(record, timing)
      return committed.at < pulled.at ? committed : pulled
    }
    case 'submitted':
      return { at: stateSince + timing.startWithin, then: 'cancel', reason: 'StartDeadline' }
    case 'running': {
      const limit = record.timeLimit === undefined ? timing.runLimit : record.timeLimit * 1000
      return { at: (record.startedAt ?? stateSince) + limit, then: 'cancel', reason: 'TimeLimit' }
    }
    case 'cancelling':
      return { at: stateSince + timing.unreachableAfter, then: 'look', reason: 'EngineUnreachable' }
    default:
      return undefined
  }
}

/** Why the last try has failed, as its driver has told it. */
const toldOf = ({ reason }: JobRecord): Reason | undefined => (reason !== undefined && isReason(reason) ? reason : undefined)

const notCommitted = (record: JobRecord, timing: Timing): Deadline => ({
  at: (record.readyAt ?? record.createdAt) + timing.commitWithin,
  then: 'exhaust',
  reason: toldOf(record) ?? 'DispatchExhausted',
})

/** When cleanup should see this record next; undefined once nothing is left to do. */
export function workAt(record: JobRecord, timing: Timing): number | undefined {
  if (record.ttl !== undefined) return undefined
  if (isWaiting(record.state)) return record.leaseUntil ?? record.stateSince
  if (isActive(record.state)) return (record.observedAt ?? record.stateSince) + timing.reconcileAfter
  if (record.previous.some((entry) => entry.ended !== true)) return record.stateSince
  const kept = record.previous.length > 0
  const due = record.stateSince + (record.state === 'deleted' || kept ? 0 : timing.retention)
  return Math.max(due, (record.observedAt ?? 0) + timing.keptCheck)
}
