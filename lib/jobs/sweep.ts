import type { Backend, Found, OwnerLabels } from '../backends/contract.ts'
import { errorText } from '../errors.ts'
import { engineCall, freshId, type Core, type Subject, type Turn } from './core.ts'
import { isFinal, sightOf, type Sight } from './lifecycle.ts'
import type { JobRecord } from './types.ts'
import { adopt } from './writes.ts'

/** What is done with an engine object: nothing, reported, removed once it is old enough, stopped, or looked at again and adopted. */
export type Sentence = 'leave' | 'report' | 'remove' | 'stop' | 'adopt'

/** By what is seen of an object that no record explains any more. One that has ended is removed, unless it is an earlier generation's, which has its own way. */
const LEFTOVER: Readonly<Record<Sight, Sentence>> = {
  inert: 'remove',
  withdrawn: 'remove',
  waiting: 'stop',
  running: 'stop',
  stopping: 'leave',
  ended: 'remove',
  absent: 'leave',
  unknown: 'leave',
}

/** By what is seen of an object without any record. */
const ORPHAN: Readonly<Record<Sight, Sentence>> = {
  inert: 'remove',
  withdrawn: 'remove',
  waiting: 'adopt',
  running: 'adopt',
  stopping: 'leave',
  ended: 'adopt',
  absent: 'leave',
  unknown: 'leave',
}

/** What becomes of an object that the engine has listed, by the record as it was read after the list. Pure. */
export function judge(found: Found, record: JobRecord | undefined): Sentence {
  const sight = sightOf(found.observation)
  if (record === undefined) return ORPHAN[sight]
  const own = record.engineName === found.engineName
  if (!own && sight === 'ended' && record.previous.some((entry) => entry.engineName === found.engineName)) return 'leave'
  if (!own || (record.ref !== undefined && record.ref !== found.ref)) return LEFTOVER[sight]
  const closed = isFinal(record.state) || record.state === 'deleted'
  // before the commit it belongs to the holder
  if (record.ref === undefined) return closed ? LEFTOVER[sight] : 'leave'
  const revived = sight === 'inert' || sight === 'waiting' || sight === 'running'
  return isFinal(record.state) && revived ? LEFTOVER[sight] : 'leave'
}

/** When objects were first seen without a record that explains them, in this process; forgetting it only delays their removal. */
export type FirstSeen = Map<string, number>

/** Goes through everything that this deployment owns on a compute's engine, as far as the turn goes. */
export async function sweep(core: Core, compute: string, firstSeen: FirstSeen, turn: Turn): Promise<void> {
  const backend = await core.backend(compute)
  const listed = await engineCall(core, turn, { compute }, async (call) => {
    const all: Found[] = []
    for await (const found of backend.list(call)) all.push(found)
    return all
  })
  const seen = new Set(listed.map(({ ref }) => ref))
  for (const ref of firstSeen.keys()) if (!seen.has(ref)) firstSeen.delete(ref)
  for (const found of listed) {
    if (core.clock() >= turn.deadline) return
    const subject = subjectOf(compute, found)
    try {
      await visit(core, backend, found, firstSeen, subject, turn)
    } catch (error) {
      core.log('sweep failed for an object', { ...subject, error: errorText(error) })
    }
  }
}

async function visit(core: Core, backend: Backend, found: Found, firstSeen: FirstSeen, subject: Subject, turn: Turn): Promise<void> {
  const { labels, ref } = found
  if (labels?.compute !== subject.compute) return
  const key = { compute: labels.compute, jid: labels.jid }
  const sentence = judge(found, await core.store.read(key))
  if (sentence === 'leave') {
    firstSeen.delete(ref)
    return
  }
  const since = firstSeen.get(ref) ?? core.clock()
  firstSeen.set(ref, since)
  if (sentence === 'stop') {
    core.log('an object runs that no record explains: it is stopped', subject)
    await engineCall(core, turn, subject, (call) => backend.stop(ref, call))
  } else if (core.clock() - since >= core.timing.leftoverGrace) {
    if (sentence === 'adopt') await adoptOrphan(core, backend, found, labels, subject, turn)
    else await discard(core, backend, ref, subject, turn)
  }
}

async function discard(core: Core, backend: Backend, ref: string, subject: Subject, turn: Turn): Promise<void> {
  const answer = await engineCall(core, turn, subject, (call) => backend.remove(ref, call))
  core.log('leftover is removed', { ...subject, answer })
}

/** Looked at again after the read that found no record: what is gone by now was on its way out. */
async function adoptOrphan(core: Core, backend: Backend, found: Found, labels: OwnerLabels, subject: Subject, turn: Turn): Promise<void> {
  const { ref, engineName } = found
  const [again] = await engineCall(core, turn, subject, (call) => backend.observe([ref], call))
  const sentence = again === undefined ? 'leave' : ORPHAN[sightOf(again)]
  if (sentence === 'remove') return discard(core, backend, ref, subject, turn)
  if (sentence !== 'adopt') return
  const { compute, jid, generation, specHash } = labels
  const key = { compute, jid }
  const result = await core.store.write(key, turn.by, adopt({ key, generation, specHash, engineName, ref, epoch: freshId(core) }))
  core.log('orphan is adopted', { ...subject, applied: result.applied })
}

const subjectOf = (compute: string, { engineName, ref, labels }: Found): Subject => ({
  compute,
  engineName,
  ref,
  ...(labels === undefined ? {} : { jid: labels.jid, generation: labels.generation }),
})
