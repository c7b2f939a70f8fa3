/** Earlier generations of a jid that the engine may still hold: each is ended and removed before it leaves `previous`. */
import type { Backend } from '../backends/contract.ts'
import { errorText } from '../errors.ts'
import { engineCall, idsOf, undecided, written, type Core, type Turn } from './core.ts'
import type { JobRecord, Previous } from './types.ts'
import * as writes from './writes.ts'

/** Removes everything that has this engine name; true once nothing is seen any more. */
export async function removeByName(core: Core, backend: Backend, record: JobRecord, engineName: string, turn: Turn): Promise<boolean> {
  const found = await engineCall(core, turn, idsOf(record), (call) => backend.find(engineName, call))
  const answers = []
  for (const { ref } of found) answers.push(await engineCall(core, turn, idsOf(record), (call) => backend.remove(ref, call)))
  return answers.every((answer) => answer === 'gone')
}

/** Ends and removes what the engine still holds of earlier generations; each that is surely over leaves `previous`. */
export async function clearPrevious(core: Core, record: JobRecord, turn: Turn): Promise<JobRecord> {
  let current = record
  for (const entry of record.previous) {
    try {
      const over = await clear(core, current, entry, turn)
      if (over === 'going') continue
      core.reached?.('remove: sent')
      const { tombstone } = core.timing
      const row = writes.removed({ engineName: entry.engineName, kept: over === 'kept', tombstone })
      current = await written(core, current, turn, row)
      core.reached?.('remove: written')
      core.log('removed', { ...idsOf(current), engineName: entry.engineName, over })
    } catch (error) {
      undecided(core, current, 'removal is not confirmed', error)
    }
  }
  if (current.previous.length < record.previous.length) await tidy(core, current)
  return current
}

async function clear(core: Core, record: JobRecord, entry: Previous, turn: Turn): Promise<'gone' | 'kept' | 'going'> {
  const backend = await core.backend(record.compute)
  const { ref, engineName } = entry
  if (ref === undefined) return (await removeByName(core, backend, record, engineName, turn)) ? 'gone' : 'going'
  const ids = { ...idsOf(record), ref }
  if (core.computes.get(record.compute)?.removeJobs !== false) return engineCall(core, turn, ids, (call) => backend.remove(ref, call))
  const answer = entry.ended === true ? 'gone' : await engineCall(core, turn, ids, (call) => backend.stop(ref, call))
  if (answer === 'going') return 'going'
  const [seen] = await engineCall(core, turn, ids, (call) => backend.observe([ref], call))
  if (seen?.kind === 'absent') return 'gone'
  return entry.ended === true || seen?.kind === 'unknown' ? 'going' : 'kept'
}

/** Deletes log and request items that nothing refers to any more; what is left behind by a failure here costs space alone. */
export async function tidy(core: Core, record: JobRecord): Promise<void> {
  try {
    await core.store.sweepItems(record, 'referred')
  } catch (error) {
    core.log('items are not swept', { ...idsOf(record), error: errorText(error) })
  }
}
