import type { Event } from '../../engines/kubernetes-objects.ts'
import { pointer } from '../../engines/kubernetes-refusal.ts'
import { errorText } from '../../errors.ts'
import type { Call, EngineRef, Observation } from '../contract.ts'
import { sightOfEvents } from './events.ts'
import { all, grouped, ownerUid, uidOf, type OwnJobs } from './jobs.ts'
import { judge, VERDICT, verdictText, type Judgement } from './judge.ts'
import { parseRef, type JobId } from './ref.ts'
import type { Verdict } from './pods.ts'

export interface ObserveOptions {
  /** Milliseconds. */
  imagePullBudget: number
  /** A verdict in the words of the engine's own flavour. */
  flavoured: (verdict: Verdict) => Verdict
}

/** One list of Jobs and one of pods for all refs, and one of events for those whose wait they may explain. */
export async function observe(jobs: OwnJobs, refs: readonly EngineRef[], options: ObserveOptions, call: Call): Promise<Observation[]> {
  const ids = refs.map(parseRef)
  const known = ids.filter((id) => id !== undefined)
  try {
    if (known.length === 0) return refs.map(() => ABSENT)
    const found = new Map((await jobs.named(known.map(({ name }) => name), call.signal)).map((job) => [uidOf(job), job]))
    const pods = grouped(await jobs.podsOf(known.map(({ uid }) => uid), call.signal), ownerUid)
    const judged = new Map(known.map((id) => [id, judge(found.get(id.uid), pods.get(id.uid) ?? [], Date.now(), options.imagePullBudget)]))
    const events = await eventsFor(jobs, [...judged.values()], call)
    return await Promise.all(ids.map(async (id) => {
      const judgement = id && judged.get(id)
      return id === undefined || judgement === undefined ? ABSENT : explained(jobs, id, judgement, events, options, call)
    }))
  } catch (error) {
    return refs.map(() => ({ kind: 'unknown', error: errorText(error) }))
  }
}

/** A ref that these drivers never gave. */
const ABSENT: Observation = { kind: 'absent' }

/** By the uid of what they are about; or why they could not be had. */
type Events = ReadonlyMap<string, Event[]> | { error: string }

/** The warnings about those Jobs and pods; one question, whether it is about one or about many. */
async function eventsFor(jobs: OwnJobs, judgements: readonly Judgement[], { signal }: Call): Promise<Events> {
  const asked = judgements.flatMap(({ ask }) => ask ?? [])
  const [first] = asked
  if (first === undefined) return new Map()
  const selector = asked.length === 1 ? `involvedObject.uid=${first.uid}` : 'type=Warning'
  try {
    return grouped(await jobs.ask((api) => all(api.events(selector, signal))), ({ involvedObject }) => involvedObject.uid ?? '')
  } catch (error) {
    return { error: errorText(error) }
  }
}

async function explained(
  jobs: OwnJobs,
  id: JobId,
  judgement: Judgement,
  events: Events,
  options: ObserveOptions,
  call: Call,
): Promise<Observation> {
  const { observation, ask } = judgement
  if (ask !== undefined && 'error' in events) return { kind: 'unknown', error: events.error }
  const told = ask && 'get' in events ? sightOfEvents(events.get(ask.uid) ?? [], options.flavoured) : undefined
  const verdict = judgement.verdict ?? told?.verdict
  if (verdict !== undefined) await condemn(jobs, id, verdict, call)
  return told === undefined || observation.kind !== 'state' ? observation : { ...observation, message: told.message }
}

/** After that, the cluster deletes a Job that was failed here: its record has long told why. Seconds. */
const CONDEMNED_FOR = 86_400

/**
 * Fails a Job that will never start, by a deadline that has passed: its controller then ends it for good, deletes the pods that wait, and
 * makes no other, whatever release arrives later. The verdict stays on the Job, to be told by whoever looks next. A call that fails is made
 * again by the next look.
 */
async function condemn(jobs: OwnJobs, id: JobId, verdict: Verdict, { signal, log }: Call): Promise<void> {
  log('kubernetes.condemned', { job: id.name, ...verdict })
  try {
    await jobs.patch(
      id,
      [
        { op: 'add', path: pointer('metadata', 'annotations', VERDICT), value: verdictText(verdict) },
        { op: 'add', path: '/spec/activeDeadlineSeconds', value: 1 },
        { op: 'add', path: '/spec/ttlSecondsAfterFinished', value: CONDEMNED_FOR },
      ],
      signal,
    )
  } catch (error) {
    log('kubernetes.condemn-failed', { job: id.name, error: errorText(error) })
  }
}
