/**
 * Looks at jobs that the engine has, and what follows from them: a release again, a stop, the log and then the end. What a look leads to is
 * decided by `lifecycle.ts`. Every function returns the record as it then is, and never throws for an engine that could not be asked.
 */
import { LogGone, type Backend, type Observation } from '../backends/contract.ts'
import { errorText } from '../errors.ts'
import { engineCall, freshId, idsOf, NotAsked, short, undecided, written, type Core, type Turn } from './core.ts'
import { release } from './handover.ts'
import { cancelledBeforeCommit, decideLook, isObservable, type End, type Step } from './lifecycle.ts'
import { removeByName, tidy } from './previous.ts'
import { REASONS } from './reasons.ts'
import { sideBySide } from './side-by-side.ts'
import { tailOf, withEarlier } from './log-tail.ts'
import { LIVE_CAPTURE } from './store.ts'
import type { JobRecord, LogTail } from './types.ts'
import * as writes from './writes.ts'

/** What of a finished job's output is kept: its end. */
export const CAPTURE_BOUNDS = { tailLines: 100_000, maxBytes: 4 * 1024 * 1024 }
const LIVE_BYTES = 64 * 1024

/** What a caller shows of a running job: the log that it has read, and how many lines it wants. */
export interface LiveLog {
  known: Uint8Array
  tailLines: number
}

/** Asks the engine about a job that it has, and acts on the answer. `live`: also keep the end of a running job's log. */
export async function look(core: Core, record: JobRecord, turn: Turn, live?: LiveLog): Promise<JobRecord> {
  const [looked] = await lookAtMany(core, [record], turn, live)
  return looked ?? record
}

/** As `look`, for jobs of one compute, with one question to the engine; `live` is for the first of them. */
export async function lookAtMany(core: Core, records: readonly JobRecord[], turn: Turn, live?: LiveLog): Promise<JobRecord[]> {
  const observable = records.filter(isObservable)
  core.reached?.('look: begun')
  const answer = await observed(core, observable, turn)
  return sideBySide(records, async (record) => {
    if (!isObservable(record)) return record.state === 'cancelling' ? cancelUncommitted(core, record, turn) : record
    if (answer === undefined) return record
    const seen = answer.seen[observable.indexOf(record)] ?? NO_ANSWER
    return actOn(core, answer.backend, record, seen, turn, record === records[0] ? live : undefined)
  })
}

const NO_ANSWER: Observation = { kind: 'unknown', error: 'the driver gave no observation' }

/** One observation for each; where the engine has not answered, that is what each of them says. undefined: it was not asked. */
async function observed(core: Core, records: readonly Observable[], turn: Turn): Promise<Answer | undefined> {
  const [first] = records
  if (first === undefined) return undefined
  try {
    const backend = await core.backend(first.compute)
    const refs = records.map(({ ref }) => ref)
    const seen = await engineCall(core, turn, { compute: first.compute }, (call) => backend.observe(refs, call))
    return { backend, seen }
  } catch (error) {
    if (error instanceof NotAsked) return undefined
    const unknown: Observation = { kind: 'unknown', error: short(errorText(error)) }
    return { backend: undefined, seen: records.map(() => unknown) }
  }
}

interface Answer {
  backend: Backend | undefined
  seen: Observation[]
}

type Observable = JobRecord & { ref: string }

async function actOn(
  core: Core,
  backend: Backend | undefined,
  record: Observable,
  seen: Observation,
  turn: Turn,
  live: LiveLog | undefined,
): Promise<JobRecord> {
  core.log('looked', { ...idsOf(record), state: record.state, seen })
  const running = seen.kind === 'state' && (seen.phase === 'running' || seen.phase === 'stopping')
  if (live !== undefined && running && backend?.supports.logsWhileRunning === true) await keepLiveLog(core, backend, record, turn, live)
  return act(core, backend, record, decideLook(record, seen, core.clock(), core.timing), turn)
}

async function act(core: Core, backend: Backend | undefined, record: JobRecord, step: Step, turn: Turn): Promise<JobRecord> {
  const { epoch, state, attempt } = record
  switch (step.do) {
    case 'nothing':
      return record
    case 'note':
      if (isKnown(record, step.seen)) return record
      return written(core, record, turn, writes.look({ epoch, state, seen: step.seen, running: false }))
    case 'run':
      return written(core, record, turn, writes.look({ epoch, state, seen: step.seen, running: true }))
    case 'release': {
      const again = await core.store.write(record, turn.by, writes.releaseAgain({ epoch, attempt }), record)
      if (!again.applied || again.record === undefined || backend === undefined) return again.record ?? record
      core.reached?.('release: written again')
      return release(core, backend, again.record, turn)
    }
    case 'stop':
      return backend === undefined ? record : stop(core, backend, record, turn)
    case 'end':
      return finish(core, step.forgotten === true ? undefined : backend, record, step.end, turn)
  }
}

/** Would a note only repeat what the record says? A count of looks never does. */
function isKnown(record: JobRecord, seen: { message?: string | undefined; absent?: unknown; unreachable?: { error: string } | undefined }): boolean {
  return (
    seen.absent === undefined &&
    record.absent === undefined &&
    seen.message === record.message &&
    seen.unreachable?.error === record.unreachable?.error
  )
}

/** Tells the engine to stop a job, once the record says so; an engine that forgets what it has stopped is asked for the log before. */
async function stop(core: Core, backend: Backend, record: JobRecord, turn: Turn): Promise<JobRecord> {
  const { ref, epoch } = record
  if (ref === undefined) return record
  let told = record
  try {
    if (record.stopSent !== true) {
      const kept = backend.supports.stopForgets ? await capture(core, backend, record, turn) : undefined
      // the next look tries again: what is stopped now would take its log along
      if (kept === 'unreadable') return record
      const { name, truncated } = captured(kept)
      told = await written(core, record, turn, writes.stopping({ epoch, capture: name, logTruncated: truncated }))
      if (told.stopSent !== true) return told
      core.reached?.('stop: written')
    }
    const answer = await engineCall(core, turn, idsOf(told), (call) => backend.stop(ref, call))
    core.reached?.('stop: sent')
    core.log('stopped', { ...idsOf(told), answer })
    return told
  } catch (error) {
    return undecided(core, told, 'stop is not confirmed', error)
  }
}

/**
 * Writes the final state, after the log. A log that cannot be read now holds up the end for a while, unless one was read before the stop; the
 * end that was seen is kept meanwhile. Without a backend there is no log to be had.
 */
async function finish(core: Core, backend: Backend | undefined, record: JobRecord, end: End, turn: Turn): Promise<JobRecord> {
  const { epoch, state, stopSent } = record
  const kept = backend === undefined ? undefined : await capture(core, backend, record, turn)
  if (kept === 'unreadable' && record.capture === undefined) {
    const since = record.endSeen?.since ?? core.clock()
    if (core.clock() - since < core.timing.captureWithin) {
      const seen = { message: 'it has ended; its log cannot be read yet', endSeen: { since, end } }
      return written(core, record, turn, writes.look({ epoch, state, seen, running: false }))
    }
  }
  core.reached?.('end: log kept')
  const { name, truncated } = captured(kept)
  const isMissing = typeof kept === 'string' && record.capture === undefined
  const words = [end.message, ...(isMissing ? ['its log could not be read'] : [])].filter((word) => word !== undefined)
  const message = words.length === 0 ? undefined : short(words.join('; '))
  const row = writes.end({ epoch, state, stopSent, end: { ...end, message }, capture: name, logTruncated: truncated })
  const result = await core.store.write(record, turn.by, row, record)
  core.reached?.('end: written')
  core.log('ended', { ...idsOf(record), applied: result.applied, state: end.state, reason: end.reason, exitCode: end.exitCode })
  if (result.applied) {
    await tidy(core, record)
    if (backend !== undefined && REASONS[end.reason].mayRepeat) await removeWhatNeverRan(core, backend, record, turn)
  }
  return result.record ?? record
}

/** There is nothing to see in it any more, and it may wait for something at its engine; what fails here is done after the retention. */
async function removeWhatNeverRan(core: Core, backend: Backend, record: JobRecord, turn: Turn): Promise<void> {
  const { ref, compute } = record
  if (ref === undefined || core.computes.get(compute)?.removeJobs === false) return
  try {
    const answer = await engineCall(core, turn, idsOf(record), (call) => backend.remove(ref, call))
    core.log('removed what never ran', { ...idsOf(record), answer })
  } catch (error) {
    core.log('removal is not confirmed', { ...idsOf(record), error: errorText(error) })
  }
}

/** Keeps the end of the log under a name of its own, for the final write to refer to. */
async function capture(core: Core, backend: Backend, record: JobRecord, turn: Turn): Promise<Captured | 'unreadable' | 'gone'> {
  const { ref = '', generation } = record
  let log: LogTail
  try {
    log = await engineCall(core, turn, idsOf(record), (call) => backend.logs(ref, CAPTURE_BOUNDS, call))
    if (log.gone !== undefined) log = await withWhatIsKept(core, record, log)
  } catch (error) {
    core.log('log is not readable', { ...idsOf(record), error: errorText(error) })
    return error instanceof LogGone ? 'gone' : 'unreadable'
  }
  const name = freshId(core)
  await core.store.putLog(record, generation, name, log)
  return { name, truncated: log.truncated }
}

/** What the engine has removed of the log, from what was read of it while the job ran. */
async function withWhatIsKept(core: Core, record: JobRecord, log: LogTail): Promise<LogTail> {
  const kept = await core.store.readWithLog(record, CAPTURE_BOUNDS.maxBytes)
  return kept === undefined ? log : tailOf(withEarlier(log, kept.log), CAPTURE_BOUNDS)
}

interface Captured {
  name: string
  truncated: boolean
}

/** Where nothing was read, the record keeps what it has. */
const captured = (kept: Captured | string | undefined): Partial<Captured> => (typeof kept === 'object' ? kept : {})

async function keepLiveLog(
  core: Core,
  backend: Backend,
  record: Observable,
  turn: Turn,
  live: LiveLog,
): Promise<void> {
  try {
    const bounds = { tailLines: live.tailLines, maxBytes: LIVE_BYTES }
    const log = await engineCall(core, turn, idsOf(record), (call) => backend.logs(record.ref, bounds, call))
    if (!Buffer.from(log.bytes).equals(live.known)) await core.store.putLog(record, record.generation, LIVE_CAPTURE, log)
  } catch (error) {
    core.log('log is not readable', { ...idsOf(record), error: errorText(error) })
  }
}

/** A cancel before the commit fenced the holder: what it may have made is inert, and is looked for once before the end is written. */
async function cancelUncommitted(core: Core, record: JobRecord, turn: Turn): Promise<JobRecord> {
  try {
    const backend = await core.backend(record.compute)
    if (!(await removeByName(core, backend, record, record.engineName, turn))) return record
  } catch (error) {
    const tooLong = core.clock() - record.stateSince >= core.timing.unreachableAfter
    if (!tooLong || error instanceof NotAsked) return undecided(core, record, 'cancel is not confirmed', error)
    return finish(core, undefined, record, { state: 'lost', reason: 'EngineUnreachable', message: errorText(error) }, turn)
  }
  return finish(core, undefined, record, cancelledBeforeCommit(record), turn)
}
