import { freshId, idsOf, sleep, type Core } from './core.ts'
import { handToEngine, type Progress } from './handover.ts'
import { isWaiting } from './lifecycle.ts'
import type { JobKey, JobRecord } from './types.ts'
import * as writes from './writes.ts'

const BY = 'dispatch'
/** A dispatch waits this long, in milliseconds, for its next try; what takes longer is asked for again by cleanup. */
const PATIENCE = 10_000

/**
 * Hands a job to its engine, outside of any request: takes over from a holder that has let go, prepares, creates, commits, releases, and tries
 * again after failures while its time lasts. Safe when several run, and for a job that needs nothing any more.
 */
export async function dispatchJob(core: Core, key: JobKey): Promise<void> {
  const end = core.clock() + core.timing.dispatchBudget
  for (;;) {
    const record = await core.store.read(key)
    if (record === undefined || !isWaiting(record.state)) return
    const now = core.clock()
    const wait = (record.leaseUntil ?? now) - now
    if (wait > 0) {
      if (wait > PATIENCE || now + wait >= end) return
      await sleep(core, wait)
      continue
    }
    if (now >= end) return
    const row = writes.takeOver({ epoch: record.epoch, newEpoch: freshId(core), leaseUntil: now + core.timing.lease })
    const taken = await core.store.write(key, BY, row, record)
    if (!taken.applied || taken.record === undefined) return
    const { record: held } = taken
    core.reached?.('dispatch: taken over')
    core.log('taken over', idsOf(held))
    const progress = await whileRenewing(core, held, () => handToEngine(core, held, { by: BY, deadline: end }, true))
    if (progress.stage === 'done') return
    await letGo(core, progress, BY)
  }
}

/** The holder stops here: the next one may begin after a pause that grows with the tries, or ends the job when they are used up. */
export async function letGo(core: Core, { record, stage, error, reason }: Progress, by: string): Promise<JobRecord> {
  const { epoch } = record
  const tries = (record.tries ?? 0) + (stage === 'failed' ? 1 : 0)
  const exhausted = tries >= core.timing.dispatchTries
  const message = error ?? (stage === 'waits' ? 'waits for the end of the job that had this jid before' : undefined)
  const row = exhausted
    ? writes.exhausted({ epoch, reason: reason ?? 'DispatchExhausted', message: error ?? '' })
    : writes.handOver({ epoch, leaseUntil: core.clock() + pause(core, stage, tries), failed: stage === 'failed', message, reason })
  const result = await core.store.write(record, by, row, record)
  core.log(exhausted ? 'dispatch is exhausted' : 'let go', { ...idsOf(record), stage, tries, error, applied: result.applied })
  return result.record ?? record
}

/** Doubled with each failed try, and shortened at random by up to a half, so that many jobs do not come back at once. */
function pause(core: Core, stage: Progress['stage'], tries: number): number {
  if (stage === 'prepares') return 0
  const { backoffLeast, backoffGreatest } = core.timing
  const full = Math.min(backoffGreatest, backoffLeast * 2 ** Math.max(0, tries - 1))
  const [byte = 0] = core.random(1)
  return Math.ceil(full * (1 - byte / 512))
}

/** Renews the holder's lease until the work is over; a renewal that fails costs another holder's work at most. */
async function whileRenewing<T>(core: Core, held: JobRecord, work: () => Promise<T>): Promise<T> {
  let renewal = Promise.resolve()
  let over = false
  let cancel = (): void => undefined
  const renew = async (): Promise<void> => {
    try {
      await core.store.write(held, BY, writes.renew({ epoch: held.epoch, leaseUntil: core.clock() + core.timing.lease }))
    } catch (error) {
      core.log('lease is not renewed', { ...idsOf(held), error: String(error) })
    }
  }
  const plan = (): void => {
    cancel = core.timers.after(core.timing.lease / 3, () => {
      // one at a time: on a slow table they would pile up and hold back the holder's own writes
      renewal = renew().then(() => (over ? undefined : plan()))
    })
  }
  plan()
  try {
    return await work()
  } finally {
    over = true
    cancel()
    // nothing may go on after the invocation has answered
    await renewal
  }
}
