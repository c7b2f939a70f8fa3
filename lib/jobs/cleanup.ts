import { errorText } from '../errors.ts'
import { engineCall, freshId, idsOf, type Core, type Turn } from './core.ts'
import { lookAtMany } from './look.ts'
import { clearPrevious } from './previous.ts'
import { deadlineOf, isFinal, isWaiting } from './lifecycle.ts'
import { REASONS } from './reasons.ts'
import { sideBySide } from './side-by-side.ts'
import { sweep, type FirstSeen } from './sweep.ts'
import type { JobKey, JobRecord } from './types.ts'
import * as writes from './writes.ts'

/** What one run of cleanup has done. */
export interface CleanupReport {
  looked: number
  failed: number
  /** Computes where the time was over before everything due was seen; the next run goes on from there. */
  unfinished: string[]
}

const PAGE = 25
const BY = 'cleanup'

/**
 * One run of the scheduled cleanup: takes every due job a step further, and sweeps what no record explains. Safe when two run.
 * Computes are worked on side by side, each with the whole time, so that a sick one delays no other.
 */
export async function cleanup(core: Core, firstSeen: FirstSeen): Promise<CleanupReport> {
  const report: CleanupReport = { looked: 0, failed: 0, unfinished: [] }
  const end = core.clock() + core.timing.cleanupBudget
  await Promise.all(
    [...core.computes.keys()].map(async (compute) => {
      try {
        await reconcile(core, compute, end, report)
        if (await core.store.elect(`sweep-${compute}`, core.timing.sweepEvery)) await sweep(core, compute, firstSeen, { by: BY, deadline: end })
      } catch (error) {
        report.failed++
        core.log('cleanup failed for a compute', { compute, error: errorText(error) })
      }
    }),
  )
  core.log('cleanup', { ...report })
  return report
}

/** The due jobs of a compute, page by page, from where the run before has stopped. */
async function reconcile(core: Core, compute: string, end: number, report: CleanupReport): Promise<void> {
  const begun = await core.store.cursor(compute)
  let cursor = begun
  do {
    if (core.clock() >= end) {
      report.unfinished.push(compute)
      await core.store.setCursor(compute, cursor)
      return
    }
    const page = await core.store.due(compute, core.clock(), PAGE, cursor)
    await visit(core, page.items, end, report)
    cursor = page.next
  } while (cursor !== undefined)
  if (begun !== undefined) await core.store.setCursor(compute, undefined)
}

async function visit(core: Core, keys: readonly JobKey[], end: number, report: CleanupReport): Promise<void> {
  const turn = (): Turn => ({ by: BY, deadline: Math.min(end, core.clock() + core.timing.requestBudget) })
  const active: JobRecord[] = []
  await sideBySide(keys, async (key) => {
    report.looked++
    try {
      // the index is a hint: the record says what there is to do
      const record = await core.store.read(key)
      if (record === undefined) return
      const current = await meetDeadline(core, record)
      if (isFinal(current.state) || current.state === 'deleted') await retire(core, current, turn())
      else if (isWaiting(current.state)) await redrive(core, current)
      else active.push(current)
    } catch (error) {
      report.failed++
      core.log('cleanup failed for a job', { ...key, error: errorText(error) })
    }
  })
  const elected = await Promise.all(active.map((record) => electedFor(core, record)))
  await lookAtMany(core, elected.filter((record) => record !== undefined), turn())
}

/** Two runs at once, or a run and a poller, do not look at the same job twice. */
async function electedFor(core: Core, record: JobRecord): Promise<JobRecord | undefined> {
  if (record.ref === undefined) return record
  const { pollInterval } = await core.backend(record.compute)
  const result = await core.store.write(record, BY, writes.elect({ epoch: record.epoch, interval: pollInterval }), record)
  return result.applied ? result.record : undefined
}

/** A job whose holder has let go, or is gone, is dispatched again. */
async function redrive(core: Core, record: JobRecord): Promise<void> {
  if ((record.leaseUntil ?? 0) > core.clock()) return
  core.log('dispatch is asked for again', idsOf(record))
  await core.requestDispatch(record)
}

/** Ends what has been in its state for too long; before the commit as never run, after it by a stop that the engine confirms. */
async function meetDeadline(core: Core, record: JobRecord): Promise<JobRecord> {
  const deadline = deadlineOf(record, core.timing)
  // an end that was seen waits for its log alone, and the look bounds that
  if (deadline === undefined || core.clock() < deadline.at || record.endSeen !== undefined) return record
  const { epoch, state, engineName } = record
  const { reason } = deadline
  if (deadline.then === 'look') return record
  const rows = {
    exhaust: () => writes.exhausted({ epoch, reason, message: record.message ?? REASONS[reason].tell }),
    cancel: () => writes.cancel({ engineName, epoch: freshId(core), reason }),
  }
  const result = await core.store.write(record, BY, rows[deadline.then](), record)
  core.reached?.('deadline: written')
  core.log('deadline', { ...idsOf(record), state, reason, applied: result.applied })
  return result.record ?? record
}

/** Clears earlier generations; after the retention, removes the engine's object and lets the record expire. */
async function retire(core: Core, record: JobRecord, turn: Turn): Promise<void> {
  const current = await clearPrevious(core, record, turn)
  const due = current.stateSince + core.timing.retention
  if (!isFinal(current.state) || current.previous.length > 0 || core.clock() < due) return
  if (!(await isGone(core, current, turn))) return
  core.reached?.('expire: object gone')
  await core.store.sweepItems(current, 'none')
  core.reached?.('expire: items swept')
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
