import { errorText } from '../errors.ts'
import { engineCall, freshId, idsOf, type Core, type Turn } from './core.ts'
import { clearPrevious, dispatch, look } from './drive.ts'
import { deadlineOf, isFinal, isWaiting } from './lifecycle.ts'
import { REASONS } from './reasons.ts'
import type { JobRecord } from './types.ts'
import * as writes from './writes.ts'

/** What one run of cleanup has done. */
export interface CleanupReport {
  looked: number
  failed: number
  /** The time was over before everything due was seen; the next run goes on. */
  unfinished: boolean
}

const PAGE = 25
const BY = 'cleanup'

/** One run of the scheduled cleanup: takes every due job a step further, within its time. Safe when two run. */
export async function cleanup(core: Core): Promise<CleanupReport> {
  const report: CleanupReport = { looked: 0, failed: 0, unfinished: false }
  const end = core.clock() + core.timing.cleanupBudget
  for (const compute of core.computes.keys()) {
    let cursor: string | undefined
    do {
      const page = await core.store.due(compute, core.clock(), PAGE, cursor)
      for (const key of page.items) {
        if (core.clock() >= end) return { ...report, unfinished: true }
        report.looked++
        try {
          const record = await core.store.read(key)
          if (record !== undefined) await step(core, record, { by: BY, deadline: Math.min(end, core.clock() + core.timing.requestBudget) })
        } catch (error) {
          report.failed++
          core.log('cleanup failed for a job', { ...key, error: errorText(error) })
        }
      }
      cursor = page.next
    } while (cursor !== undefined)
  }
  return report
}

/** What is next for a record: its deadline, its dispatch, a look, or what is left of an ended one. */
async function step(core: Core, record: JobRecord, turn: Turn): Promise<void> {
  const current = await meetDeadline(core, record, turn)
  if (isFinal(current.state) || current.state === 'deleted') return retire(core, current, turn)
  if (!isWaiting(current.state)) {
    await look(core, current, turn)
    return
  }
  const { epoch } = current
  const row = writes.takeOver({ epoch, newEpoch: freshId(core), leaseUntil: core.clock() + core.timing.lease })
  const taken = await core.store.write(current, BY, row, current)
  if (!taken.applied || taken.record === undefined) return
  core.log('taken over', idsOf(taken.record))
  await dispatch(core, taken.record, turn)
}

/** Ends what has been in its state for too long; before the commit as never run, after it by a stop that the engine confirms. */
async function meetDeadline(core: Core, record: JobRecord, turn: Turn): Promise<JobRecord> {
  const deadline = deadlineOf(record, core.timing)
  if (deadline === undefined || core.clock() < deadline.at) return record
  const { epoch, state, engineName } = record
  const { reason } = deadline
  const rows = {
    exhaust: () => writes.exhausted({ epoch, reason, message: REASONS[reason].tell }),
    cancel: () => writes.cancel({ engineName, epoch: freshId(core), reason }),
    lose: () => writes.end({ epoch, state, end: { state: 'lost', reason } }),
  }
  const result = await core.store.write(record, turn.by, rows[deadline.then](), record)
  core.log('deadline', { ...idsOf(record), state, reason, applied: result.applied })
  return result.record ?? record
}

/** Clears earlier generations; after the retention, removes the engine's object and lets the record expire. */
async function retire(core: Core, record: JobRecord, turn: Turn): Promise<void> {
  const current = await clearPrevious(core, record, turn)
  const due = current.stateSince + core.timing.retention
  if (!isFinal(current.state) || current.previous.length > 0 || core.clock() < due) return
  if (!(await isGone(core, current, turn))) return
  await core.store.sweepItems(current, 'none')
  await core.store.write(current, turn.by, writes.expire({ engineName: current.engineName }), current)
  core.log('expired', idsOf(current))
}

async function isGone(core: Core, record: JobRecord, turn: Turn): Promise<boolean> {
  const { ref, compute } = record
  if (ref === undefined) return true
  const backend = await core.backend(compute)
  if (core.computes.get(compute)?.removeJobs !== false) {
    return (await engineCall(core, turn, idsOf(record), (call) => backend.remove(ref, call))) === 'gone'
  }
  const [seen] = await engineCall(core, turn, idsOf(record), (call) => backend.observe([ref], call))
  const checked = await core.store.write(record, turn.by, writes.elect({ epoch: record.epoch, interval: core.timing.keptCheck }), record)
  return checked.applied && seen?.kind === 'absent'
}
