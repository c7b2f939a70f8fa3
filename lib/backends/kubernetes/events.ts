import type { Event } from '../../engines/kubernetes-objects.ts'
import type { Reason } from '../../jobs/reasons.ts'
import { time } from './pods.ts'
import type { Verdict } from './pods.ts'

/** What the newest event of an object says: a wait, or that nothing will come of it. */
export type EventSight = { message: string; verdict?: Verdict }

/**
 * Why a Job gets no pod, or a pod no volume, by the words of admission (quota, LimitRange, Pod Security, SCC, policies, webhooks) and of
 * the kubelet. What is not here may heal: an exceeded quota, a service account or a volume that is still to come.
 */
const HOPELESS: readonly { event: string; text: RegExp; reason: Reason }[] = [
  { event: 'FailedCreate', text: /against any security context constraint.*\brunAs(User|Group)\b/s, reason: 'UserRefused' },
  { event: 'FailedCreate', text: /against any security context constraint/, reason: 'PolicyRefused' },
  { event: 'FailedCreate', text: /violates PodSecurity/, reason: 'PolicyRefused' },
  { event: 'FailedCreate', text: /ValidatingAdmissionPolicy .* denied|admission webhook .* denied/s, reason: 'PolicyRefused' },
  { event: 'FailedCreate', text: /failed quota: .*must specify|(minimum|maximum) \S+ usage per/s, reason: 'PolicyRefused' },
  { event: 'FailedMount', text: /hostPath type check failed/, reason: 'MountRefused' },
]

/** undefined: nothing has happened that explains a wait. */
export function sightOfEvents(events: readonly Event[], flavoured: (verdict: Verdict) => Verdict): EventSight | undefined {
  const told = events.filter(({ reason = '' }) => WARNINGS.has(reason))
  const newest = told.sort((a, b) => happened(b) - happened(a))[0]
  if (newest === undefined) return undefined
  const message = `${newest.reason ?? ''}: ${newest.message ?? ''}`
  const row = HOPELESS.find(({ event, text }) => event === newest.reason && text.test(newest.message ?? ''))
  return row === undefined ? { message } : { message, verdict: flavoured({ reason: row.reason, message }) }
}

const VOLUMES = ['FailedMount', 'FailedAttachVolume', 'FailedMapVolume']
const WARNINGS: ReadonlySet<string> = new Set(['FailedCreate', 'FailedCreatePodSandBox', ...VOLUMES])

const happened = ({ lastTimestamp, eventTime, metadata }: Event): number =>
  time(lastTimestamp) ?? time(eventTime) ?? time(metadata.creationTimestamp) ?? 0
