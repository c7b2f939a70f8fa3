import type { Job, Pod } from '../../engines/kubernetes-objects.ts'
import { isReason, type Reason } from '../../jobs/reasons.ts'
import type { Observation } from '../contract.ts'
import { RELEASED, UNRELEASED } from './manifest.ts'
import { indexOf, sightOfPod, time } from './pods.ts'
import type { PodEnd, PodSight, Verdict } from './pods.ts'

/** Why a Job was failed by its driver; on the Job, so that it is told however late somebody looks. */
export const VERDICT = 'pman-serverless/verdict'

/** What a Job and its pods say, and what is to be found out or done because of it. */
export interface Judgement {
  observation: Observation
  /** The job will never start: it is to be failed for this. */
  verdict?: Verdict
  /** Events of this object may tell more of the wait. */
  ask?: { kind: 'Job' | 'Pod'; uid: string }
}

const waiting = (message: string): Judgement => ({ observation: { kind: 'state', phase: 'waiting', message } })

/**
 * Pure: `job` is undefined where the engine has no such Job; `pods` are all that carry its uid; `budget`, in ms, is what a pod may wait for
 * an image that it does not get.
 */
export function judge(job: Job | undefined, pods: readonly Pod[], now: number, budget: number): Judgement {
  const sights = [...pods].sort((a, b) => indexOf(a) - indexOf(b)).map((pod) => ({ pod, sight: sightOfPod(pod) }))
  const ends = sights.flatMap(({ pod, sight }) => (sight.phase === 'ended' ? [{ ...sight, worker: indexOf(pod) }] : []))
  const allEnded = sights.length > 0 && ends.length === sights.length
  const workers = job?.spec?.completions ?? sights.length
  if (job === undefined) {
    if (sights.length === 0) return { observation: { kind: 'absent' } }
    const message = 'its Job was deleted by someone else; its pods are not'
    return { observation: allEnded ? folded(ends, workers) : { ...aliveOf(sights), message } }
  }
  if (job.metadata?.deletionTimestamp !== undefined) {
    return { observation: allEnded ? folded(ends, workers) : { ...aliveOf(sights), phase: 'stopping' } }
  }
  if (job.spec?.suspend === true) return suspended(job, sights.length)
  const verdict = verdictOf(job)
  const finished = finishOf(job)
  if (finished !== undefined) {
    if (ends.length < sights.length) return { observation: { ...aliveOf(sights), phase: 'stopping' } }
    const begun = ends.some(({ startedAt }) => startedAt !== undefined)
    if (verdict !== undefined && !begun) return { observation: { ...ended(verdict.reason), message: verdict.message } }
    return { observation: folded(ends, workers, finished) }
  }
  if (verdict !== undefined) return waiting(`it is being withdrawn: ${verdict.message}`)
  if (allEnded && new Set(ends.map(({ worker }) => worker)).size >= workers) return { observation: folded(ends, workers) }
  if (sights.length === 0) return { ...waiting('waits for its pod to be made'), ask: { kind: 'Job', uid: job.metadata?.uid ?? '' } }
  return unfinished(sights, now, budget)
}

type Seen = { pod: Pod; sight: PodSight }

/** A Job that was never released is inert. One that was, and is suspended, was so by somebody else, who alone may resume it. */
function suspended({ metadata }: Job, pods: number): Judgement {
  if (metadata?.annotations?.[RELEASED] === UNRELEASED && pods === 0) return { observation: { kind: 'inert' } }
  return waiting('its Job was suspended by someone else')
}

function unfinished(sights: readonly Seen[], now: number, budget: number): Judgement {
  const observation = aliveOf(sights)
  if (observation.phase !== 'waiting') return { observation }
  for (const { pod, sight } of sights) {
    if (sight.phase !== 'waiting') continue
    if (sight.stuck !== undefined) {
      const { reason, message, since } = sight.stuck
      return { observation, ...(since === 'hopeless' || now - since >= budget ? { verdict: { reason, message } } : {}) }
    }
    if (sight.asksEvents === true) return { observation, ask: { kind: 'Pod', uid: pod.metadata?.uid ?? '' } }
  }
  return { observation }
}

type Alive = Extract<Observation, { phase: 'waiting' | 'running' | 'stopping' }>

/** Workers that have not all ended, as one: it runs as soon as one has begun, and stops when none is left that runs. */
function aliveOf(sights: readonly Seen[]): Alive {
  const all = sights.map(({ sight }) => sight)
  const begun = all.some(({ phase }) => phase === 'running' || phase === 'ended')
  const stops = all.some(({ phase }) => phase === 'stopping')
  const phase = all.some((sight) => sight.phase === 'running') ? 'running' : stops ? 'stopping' : begun ? 'running' : 'waiting'
  const startedAt = earliest(all.map((sight) => (sight.phase === 'waiting' ? undefined : sight.startedAt)))
  const message = all.find((sight) => sight.phase === phase && sight.message !== undefined)?.message
  return { kind: 'state', phase, startedAt, message }
}

const earliest = (times: readonly (number | undefined)[]): number | undefined => bound(times, Math.min)
const latest = (times: readonly (number | undefined)[]): number | undefined => bound(times, Math.max)
function bound(times: readonly (number | undefined)[], pick: (...times: number[]) => number): number | undefined {
  const known = times.filter((one) => one !== undefined)
  return known.length === 0 ? undefined : pick(...known)
}

type Ended = Extract<Observation, { phase: 'ended' }>
const ended = (reason: Reason): Ended => ({ kind: 'state', phase: 'ended', reason })

/** Workers that have ended, as one end: all have succeeded, or the first failure counts, since the Job controller then ends the others. */
function folded(ends: readonly (PodEnd & { worker: number })[], workers: number, finished?: Finish): Ended {
  const startedAt = earliest(ends.map((end) => end.startedAt))
  const finishedAt = latest(ends.map((end) => end.finishedAt)) ?? finished?.at
  const times = { startedAt, finishedAt }
  const failures = ends.filter(({ reason }) => reason !== 'Completed')
  const [first] = failures.sort((a, b) => (a.finishedAt ?? Infinity) - (b.finishedAt ?? Infinity))
  if (first !== undefined) {
    const { reason, exitCode, message, worker } = first
    const words = workers > 1 ? `worker ${worker}${message === undefined ? '' : `: ${message}`}` : message
    return { ...ended(reason), exitCode, ...times, message: words }
  }
  if (finished?.type === 'Failed') {
    const message = `${finished.message}; the pod is gone, and its exit code with it`
    return { ...ended(WITHOUT_POD[finished.reason] ?? 'KilledBySignal'), ...times, message }
  }
  if (finished === undefined && ends.length < workers) {
    return { ...ended('KilledBySignal'), ...times, message: 'some of its pods are gone, and their ends with them' }
  }
  return { ...ended('Completed'), exitCode: 0, ...times }
}

interface Finish {
  type: 'Complete' | 'Failed'
  reason: string
  message: string
  at: number | undefined
}

/** Kubernetes, "Jobs", terminal Job conditions: those before them, SuccessCriteriaMet and FailureTarget, still have pods. */
function finishOf({ status }: Job): Finish | undefined {
  for (const { type, status: value, reason = '', message = '', lastTransitionTime } of status?.conditions ?? []) {
    if ((type === 'Complete' || type === 'Failed') && value === 'True') return { type, reason, message, at: time(lastTransitionTime) }
  }
  return undefined
}

/** Has its controller ended it for good? */
export const isFinished = (job: Job | undefined): boolean => job !== undefined && finishOf(job) !== undefined

/** What a failed Job says where no pod is left to tell: reasons of the Job controller (API reference, JobCondition). */
const WITHOUT_POD: Readonly<Record<string, Reason>> = {
  BackoffLimitExceeded: 'KilledBySignal',
  PodFailurePolicy: 'Evicted',
  DeadlineExceeded: 'TimeLimit',
}

function verdictOf({ metadata }: Job): Verdict | undefined {
  const text = metadata?.annotations?.[VERDICT]
  const [word = '', ...rest] = text?.split(' ') ?? []
  return isReason(word) ? { reason: word, message: rest.join(' ') } : undefined
}

/** As `verdictOf` reads it. */
export const verdictText = ({ reason, message }: Verdict): string => `${reason} ${message}`
