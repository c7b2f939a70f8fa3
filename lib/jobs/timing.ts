/** How long things may take. Milliseconds, except where a count is said. */
export interface Timing {
  /** The engine's part of one request; what is left then goes on in `dispatch`. */
  requestBudget: number
  /** For how long a holder's work on a record is left alone. It saves work; safety never depends on it. */
  lease: number
  /** One call to an engine, save the preparing of a job. */
  callWithin: number
  /** One run of dispatch, in which it prepares, and tries again after failures; shorter than its function's timeout. */
  dispatchBudget: number
  /** From the first failed try of a dispatch to the next; doubled with each one … */
  backoffLeast: number
  /** … up to this. */
  backoffGreatest: number
  /** Tries (a count) that may fail before the commit; then DispatchExhausted. */
  dispatchTries: number
  /** From the intent to the commit; then DispatchExhausted. */
  commitWithin: number
  /** From `pulling` until the job is prepared; then ImagePullDeadline, or what the last try has said. */
  pullWithin: number
  /** From the commit to the start on the engine; then StartDeadline. */
  startWithin: number
  /** What a job without a time limit of its own gets. */
  runLimit: number
  /** For how long an engine must say that it has no such job … */
  absentGrace: number
  /** … and how often (a count), before the job counts as lost. */
  absentLooks: number
  /** For how long the end of a job waits for its log to be readable. */
  captureWithin: number
  /** For how long an engine may be out of reach before its jobs count as lost. */
  unreachableAfter: number
  /** For how long a final record, and the engine's object of it, are kept. */
  retention: number
  /** For how long a deleted jid is remembered. */
  tombstone: number
  /** From the latest look at an active job to the next one by cleanup. */
  reconcileAfter: number
  /** From one look at everything on an engine to the next. */
  sweepEvery: number
  /** How long an engine object that no record explains is left alone. */
  leftoverGrace: number
  /** Calls (a count) in a row that an engine has not answered before it is left alone for a while … */
  breakerAfter: number
  /** … and for how long. */
  breakerFor: number
  /** From look to look at an engine object that is kept on purpose. */
  keptCheck: number
  /** One run of cleanup. */
  cleanupBudget: number
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export const DEFAULT_TIMING: Readonly<Timing> = Object.freeze({
  requestBudget: 8 * SECOND,
  lease: 30 * SECOND,
  callWithin: 20 * SECOND,
  dispatchBudget: 14 * MINUTE,
  backoffLeast: SECOND,
  backoffGreatest: MINUTE,
  dispatchTries: 20,
  commitWithin: 15 * MINUTE,
  pullWithin: 12 * MINUTE,
  startWithin: 24 * HOUR,
  runLimit: 7 * DAY,
  absentGrace: MINUTE,
  absentLooks: 3,
  captureWithin: 10 * MINUTE,
  unreachableAfter: 24 * HOUR,
  retention: 7 * DAY,
  tombstone: 2 * HOUR,
  reconcileAfter: 30 * SECOND,
  sweepEvery: 5 * MINUTE,
  leftoverGrace: 5 * MINUTE,
  breakerAfter: 3,
  breakerFor: 30 * SECOND,
  keptCheck: HOUR,
  cleanupBudget: 45 * SECOND,
})

const UP_TO_A_YEAR = [1, 365 * DAY] as const

/** Least and greatest value that a site may set. */
export const TIMING_BOUNDS: Readonly<Record<keyof Timing, readonly [least: number, greatest: number]>> = {
  // The HTTP API waits 30 s for a function.
  requestBudget: [1, 25 * SECOND],
  lease: UP_TO_A_YEAR,
  callWithin: [1, 14 * MINUTE],
  dispatchBudget: [1, 14 * MINUTE],
  backoffLeast: UP_TO_A_YEAR,
  backoffGreatest: UP_TO_A_YEAR,
  dispatchTries: [1, 10_000],
  commitWithin: UP_TO_A_YEAR,
  pullWithin: UP_TO_A_YEAR,
  startWithin: UP_TO_A_YEAR,
  runLimit: UP_TO_A_YEAR,
  absentGrace: UP_TO_A_YEAR,
  absentLooks: [1, 1_000],
  captureWithin: UP_TO_A_YEAR,
  unreachableAfter: UP_TO_A_YEAR,
  retention: UP_TO_A_YEAR,
  // Longer than the store accepts a signed request, so that no late intent can follow a tombstone that has expired.
  tombstone: [HOUR, 365 * DAY],
  reconcileAfter: UP_TO_A_YEAR,
  sweepEvery: UP_TO_A_YEAR,
  leftoverGrace: UP_TO_A_YEAR,
  breakerAfter: [1, 1_000],
  breakerFor: UP_TO_A_YEAR,
  keptCheck: UP_TO_A_YEAR,
  // A function runs for 15 minutes at most.
  cleanupBudget: [1, 14 * MINUTE],
}
