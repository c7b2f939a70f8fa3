/** A holder's part of a job: it makes the job at the engine unable to run, commits it, and releases it. */
import { EngineRejected, NeedsPreparation, NotYet, type Backend } from '../backends/contract.ts'
import { errorText, PmanError } from '../errors.ts'
import { engineCall, idsOf, short, undecided, written, type Core, type Turn } from './core.ts'
import { engineJob } from './engine-job.ts'
import { isWaiting } from './lifecycle.ts'
import { clearPrevious } from './previous.ts'
import type { Reason } from './reasons.ts'
import type { JobRecord } from './types.ts'
import * as writes from './writes.ts'

/** How far a holder has come: the engine has the job or it has ended; it waits for an earlier generation; it needs preparing; a try failed. */
export interface Progress {
  record: JobRecord
  stage: 'done' | 'waits' | 'prepares' | 'failed'
  error?: string
  /** How the job ends if it never gets any further. */
  reason?: Reason | undefined
}

/** The holder's part: waits for earlier generations, prepares if it may, creates, commits, releases. Stops where the turn ends. */
export async function handToEngine(core: Core, held: JobRecord, turn: Turn, mayPrepare: boolean): Promise<Progress> {
  const { epoch } = held
  let record = await clearPrevious(core, held, turn)
  if (record.state === 'queued') record = await written(core, record, turn, writes.ready({ epoch }))
  if (!isWaiting(record.state) || record.epoch !== epoch) return { record, stage: 'done' }
  if (record.state === 'queued') return { record, stage: 'waits' }
  try {
    return await createAndCommit(core, record, turn, mayPrepare)
  } catch (error) {
    if (error instanceof EngineRejected) {
      core.log('engine refused the job', { ...idsOf(record), error: error.message })
      const row = writes.exhausted({ epoch, reason: error.reason, message: short(error.message) })
      return { record: await written(core, record, turn, row), stage: 'done' }
    }
    const reason = error instanceof NotYet ? error.reason : undefined
    return { record: undecided(core, record, 'dispatch is not done', error), stage: 'failed', error: short(errorText(error)), reason }
  }
}

async function createAndCommit(core: Core, begun: JobRecord, turn: Turn, mayPrepare: boolean): Promise<Progress> {
  const { epoch } = begun
  const backend = await core.backend(begun.compute)
  const spec = await core.store.getRequest(begun, begun)
  const compute = core.computes.get(begun.compute)
  if (spec === undefined || compute === undefined) throw new PmanError('unreadable_record', `the request of job "${begun.jid}" is missing`)
  const job = engineJob(begun, spec, compute, await core.deployment(), core.random)
  let record = begun
  let ref: string
  let hasPrepared = false
  for (;;) {
    try {
      const { prepared } = record
      ref = await engineCall(core, turn, idsOf(record), (call) => backend.create(job, prepared, call))
      break
    } catch (error) {
      if (!(error instanceof NeedsPreparation) || backend.prepare === undefined || hasPrepared) throw error
      record = await written(core, record, turn, writes.pull({ epoch }))
      core.reached?.('prepare: pull written')
      if (record.epoch !== epoch) return { record, stage: 'done' }
      if (!mayPrepare) return { record, stage: 'prepares' }
      const prepare = backend.prepare.bind(backend)
      const prepared = await engineCall(core, turn, idsOf(record), (call) => prepare(job, call), core.timing.pullWithin)
      hasPrepared = true
      record = await written(core, record, turn, writes.prepared({ epoch, prepared }))
      core.reached?.('prepare: written')
      if (record.epoch !== epoch) return { record, stage: 'done' }
    }
  }
  core.reached?.('create: made')
  const commit = await core.store.write(record, turn.by, writes.commit({ epoch, ref }), record)
  core.log('engine has the job', { ...idsOf(record), ref, committed: commit.applied })
  if (!commit.applied || commit.record === undefined) return { record: commit.record ?? record, stage: 'done' }
  core.reached?.('commit: written')
  return { record: await release(core, backend, commit.record, turn), stage: 'done' }
}

/** Sends one release of a committed job, for the attempt that the record holds. */
export async function release(core: Core, backend: Backend, record: JobRecord, turn: Turn): Promise<JobRecord> {
  const { ref, attempt, epoch } = record
  if (ref === undefined) return record
  try {
    await engineCall(core, turn, idsOf(record), (call) => backend.release(ref, attempt, call))
    core.reached?.('release: sent')
    core.log('released', { ...idsOf(record), attempt })
    return record
  } catch (error) {
    if (!(error instanceof EngineRejected)) return undecided(core, record, 'release is not confirmed', error)
    core.log('engine refused the release', { ...idsOf(record), attempt, error: error.message })
    // of a later attempt it ends nothing: an earlier one may still start the job
    return written(core, record, turn, writes.refused({ epoch, reason: error.reason, message: short(error.message) }))
  }
}
