import type { Core, Turn } from './core.ts'
import { look, lookAtMany, type LiveLog } from './look.ts'
import { isObservable } from './lifecycle.ts'
import type { JobKey, JobRecord } from './types.ts'
import { elect } from './writes.ts'

/** Jobs that one question to the engine is about at most. */
const MANY = 50

/**
 * The latest on a job that the engine has. Whoever is elected asks the engine, at most once in the interval that it bears; the others
 * answer from the record. Where one call answers for many jobs, one asks for the whole compute.
 */
export async function poll(core: Core, record: JobRecord, turn: Turn, live: LiveLog): Promise<JobRecord> {
  if (!isObservable(record)) return record
  const { supports, pollInterval } = await core.backend(record.compute)
  if (supports.observesMany) {
    if (!(await core.store.elect(record.compute, pollInterval))) return record
    const [looked] = await lookAtMany(core, [record, ...(await others(core, record))], turn, live)
    return looked ?? record
  }
  const elected = await core.store.write(record, turn.by, elect({ epoch: record.epoch, interval: pollInterval }), record)
  if (!elected.applied || elected.record === undefined) return elected.record ?? record
  return look(core, elected.record, turn, live)
}

/** The compute's other jobs that the engine has, as far as they are asked for. */
async function others(core: Core, { compute, jid }: JobRecord): Promise<JobRecord[]> {
  const keys: JobKey[] = []
  let cursor: string | undefined
  do {
    const page = await core.store.due(compute, Number.MAX_SAFE_INTEGER, MANY - keys.length, cursor)
    keys.push(...page.items.filter((key) => key.jid !== jid))
    cursor = page.next
  } while (cursor !== undefined && keys.length < MANY)
  const records = await Promise.all(keys.map((key) => core.store.read(key)))
  return records.filter((record) => record !== undefined).filter(isObservable)
}
