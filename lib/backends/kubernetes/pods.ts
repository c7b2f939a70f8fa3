import type { Terminated, ContainerStatus, Pod } from '../../engines/kubernetes-objects.ts'
import type { Reason } from '../../jobs/reasons.ts'
import { COMPLETION_INDEX } from './labels.ts'
import { CONTAINER } from './manifest.ts'
import { CHECK } from './storage.ts'

/** Why a job that waits will never start. */
export interface Verdict {
  reason: Reason
  message: string
}

/** What one pod says of its worker. */
export type PodSight =
  | { phase: 'waiting'; message?: string | undefined; stuck?: Verdict & { since: number | 'hopeless' }; asksEvents?: true }
  | { phase: 'running' | 'stopping'; startedAt?: number | undefined; message?: string | undefined }
  | PodEnd
export interface PodEnd {
  phase: 'ended'
  reason: Reason
  exitCode?: number | undefined
  startedAt?: number | undefined
  finishedAt?: number | undefined
  message?: string | undefined
}

/** Number of the worker that a pod is, from 0. */
export const indexOf = ({ metadata }: Pod): number => Number(metadata?.annotations?.[COMPLETION_INDEX] ?? 0)

/** A pod's own word (Kubernetes, "Pod Lifecycle"): only Succeeded and Failed are an end. */
export function sightOfPod(pod: Pod): PodSight {
  const { phase } = pod.status ?? {}
  if (phase === 'Succeeded' || phase === 'Failed') return endOf(pod)
  const startedAt = time(jobStatus(pod)?.state?.running?.startedAt)
  if (pod.metadata?.deletionTimestamp !== undefined) return { phase: 'stopping', startedAt, message: 'its pod is being deleted' }
  if (phase === 'Running') return { phase: 'running', startedAt }
  if (phase === 'Pending') return waitOf(pod)
  return { phase: 'running', message: `its node does not answer: the pod's phase is ${phase ?? 'missing'}` }
}

const jobStatus = (pod: Pod): ContainerStatus | undefined => pod.status?.containerStatuses?.find(({ name }) => name === CONTAINER)
const checkStatus = (pod: Pod): ContainerStatus | undefined => pod.status?.initContainerStatuses?.find(({ name }) => name === CHECK)

/** Milliseconds since 1970; a container that never started has a zero for its start. */
export function time(date: Date | undefined): number | undefined {
  const ms = date?.getTime()
  return ms === undefined || Number.isNaN(ms) || ms <= 0 ? undefined : ms
}

const said = (...words: readonly (string | undefined)[]): string => words.filter((word) => word !== undefined && word !== '').join(': ')

// Waiting

function waitOf(pod: Pod): PodSight {
  const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  if (unscheduled !== undefined) return { phase: 'waiting', message: said(unscheduled.reason, unscheduled.message) }
  const waits = [checkStatus(pod), jobStatus(pod)].flatMap((status) => status?.state?.waiting ?? [])
  const waiting = waits.find(({ reason }) => reason !== 'PodInitializing')
  if (waiting === undefined) {
    return { phase: 'waiting', message: pod.status?.startTime === undefined ? 'waits for a node' : 'its pod is being prepared' }
  }
  const message = said(waiting.reason, waiting.message)
  const row = STUCK.find(({ word, text }) => word.test(waiting.reason ?? '') && text.test(waiting.message ?? ''))
  if (row === undefined) return { phase: 'waiting', message, ...(waiting.reason === 'ContainerCreating' ? { asksEvents: true } : {}) }
  return { phase: 'waiting', message, stuck: { reason: row.reason, message, since: row.hopeless === true ? 'hopeless' : sinceOf(pod) } }
}

/** Since when images are fetched and containers made: the pod has its network, or at least its node. */
function sinceOf({ metadata, status }: Pod): number {
  const ready = status?.conditions?.find(({ type, status: value }) => type === 'PodReadyToStartContainers' && value === 'True')
  return time(ready?.lastTransitionTime) ?? time(status?.startTime) ?? time(metadata?.creationTimestamp) ?? 0
}

const IMAGE = /^(ErrImagePull|ImagePullBackOff|ImageInspectError|RegistryUnavailable|SignatureValidationFailed)$/
const CONTAINER_ERROR = /^(CreateContainer(Config)?Error|RunContainerError|(PreCreate|PreStart|PostStart)HookError)$/
const NO_ANSWER = /no such host|dial tcp|time(d )?out|refused|unreachable|tls|x509|certificate|\bEOF\b|deadline exceeded|misbehaving/i

/**
 * What a container waits for that may never come: the reasons of kubelet's pkg/kubelet/images/types.go and
 * pkg/kubelet/kuberuntime/kuberuntime_container.go, and the words of runtimes and registries. The first row that fits counts.
 */
const STUCK: readonly { word: RegExp; text: RegExp; reason: Reason; hopeless?: true }[] = [
  { word: /^InvalidImageName$/, text: /^/, reason: 'ImageNotFound', hopeless: true },
  { word: /^ErrImageNeverPull$/, text: /^/, reason: 'ImageNotFound' },
  { word: IMAGE, text: /unauthorized|denied|forbidden|authentication required|no basic auth|insufficient_scope/i, reason: 'ImageRefused' },
  { word: IMAGE, text: /manifest unknown|not found|does not exist|no match for platform|name unknown/i, reason: 'ImageNotFound' },
  { word: IMAGE, text: NO_ANSWER, reason: 'RegistryUnreachable' },
  { word: IMAGE, text: /too many requests|\b5\d\d\b/i, reason: 'RegistryUnreachable' },
  { word: IMAGE, text: /^/, reason: 'ImagePullDeadline' },
  { word: CONTAINER_ERROR, text: /runAsNonRoot|non-numeric user|run as root/i, reason: 'UserRefused', hopeless: true },
  { word: CONTAINER_ERROR, text: /unable to find user|no matching entries in passwd/i, reason: 'UserRefused', hopeless: true },
  { word: CONTAINER_ERROR, text: /no command specified/i, reason: 'CommandNotFound', hopeless: true },
  { word: CONTAINER_ERROR, text: /subpath|volume|mount/i, reason: 'MountRefused' },
  { word: CONTAINER_ERROR, text: /^/, reason: 'StartFailed' },
]

// Ended

function endOf(pod: Pod): PodEnd {
  const terminated = jobStatus(pod)?.state?.terminated
  const times = { startedAt: time(terminated?.startedAt), finishedAt: time(terminated?.finishedAt) ?? finishedAt(pod) }
  const check = checkStatus(pod)?.state?.terminated
  if (check !== undefined && check.exitCode !== 0 && pod.status?.reason === undefined) {
    return { phase: 'ended', reason: 'MountRefused', finishedAt: times.finishedAt, message: said(check.message?.trim() ?? check.reason) }
  }
  const outer = reasonOfPod(pod)
  const inner = terminated === undefined ? undefined : reasonOfContainer(terminated)
  // An end by the container's own exit stands; what was done to the pod explains any other.
  const reason = inner === 'Completed' || inner === 'OutOfMemory' ? inner : (outer ?? inner ?? deletedOr(pod, 'StartFailed'))
  const exitCode = terminated === undefined || NEVER_RAN.has(reason) ? undefined : terminated.exitCode
  return { phase: 'ended', reason, exitCode, ...times, message: reason === 'Completed' ? undefined : wordsOf(pod, terminated) }
}

/** What the pod says of its end, or else its container; undefined for a plain exit. */
function wordsOf(pod: Pod, terminated: Terminated | undefined): string | undefined {
  const { status } = pod
  const disruption = disruptionOf(pod)
  const own = terminated?.reason === 'Error' ? undefined : terminated?.reason
  const words = said(status?.reason ?? disruption?.reason ?? own, status?.message ?? disruption?.message ?? terminated?.message)
  return words === '' ? undefined : words
}

/** A program that could not be started has no exit code but the runtime's. */
const NEVER_RAN: ReadonlySet<Reason> = new Set(['ImagePullDeadline', 'HostLost', 'MountRefused', 'StartFailed'])

const finishedAt = ({ status }: Pod): number | undefined =>
  time(status?.conditions?.find(({ type, status: value }) => type === 'Ready' && value === 'False')?.lastTransitionTime)

const disruptionOf = ({ status }: Pod) =>
  status?.conditions?.find(({ type, status: value }) => type === 'DisruptionTarget' && value === 'True')

const deletedOr = ({ metadata }: Pod, otherwise: Reason): Reason =>
  metadata?.deletionTimestamp === undefined ? otherwise : 'KilledBySignal'

/** Why a pod as a whole has failed: kubelet's reasons (pkg/kubelet/eviction, lifecycle, nodeshutdown). */
const POD_REASONS: Readonly<Record<string, Reason>> = {
  DeadlineExceeded: 'TimeLimit',
  Evicted: 'Evicted',
  Preempting: 'Preempted',
  Terminated: 'Evicted',
  Shutdown: 'Evicted',
  NodeShutdown: 'Evicted',
  NodeLost: 'HostLost',
}

/** Why a pod had to go (Kubernetes, "Disruptions", pod disruption conditions). */
const DISRUPTIONS: Readonly<Record<string, Reason>> = {
  PreemptionByScheduler: 'Preempted',
  DeletionByTaintManager: 'Evicted',
  EvictionByEvictionAPI: 'Evicted',
  DeletionByPodGC: 'HostLost',
  TerminationByKubelet: 'Evicted',
}

function reasonOfPod(pod: Pod): Reason | undefined {
  const told = POD_REASONS[pod.status?.reason ?? '']
  // The limit counts from the pod's arrival on its node: it may pass before there is an image.
  if (told === 'TimeLimit' && IMAGE.test(jobStatus(pod)?.state?.waiting?.reason ?? '')) return 'ImagePullDeadline'
  return told ?? DISRUPTIONS[disruptionOf(pod)?.reason ?? '']
}

/** Why a container has ended: reasons of the kubelet, and the runtime's words for a program that it could not start. */
const CONTAINER_REASONS: readonly { word: RegExp; text: RegExp; reason: Reason }[] = [
  { word: /^OOMKilled$/, text: /^/, reason: 'OutOfMemory' },
  { word: /^(Unknown|ContainerStatusUnknown)$/, text: /^/, reason: 'HostLost' },
  { word: /^(StartError|ContainerCannotRun)$/, text: /permission denied|exec format error|is a directory/i, reason: 'NotExecutable' },
  { word: /^(StartError|ContainerCannotRun)$/, text: /error mounting|mount through/i, reason: 'MountRefused' },
  { word: /^(StartError|ContainerCannotRun)$/, text: /no such file or directory|not found/i, reason: 'CommandNotFound' },
  { word: /^(StartError|ContainerCannotRun)$/, text: /^/, reason: 'StartFailed' },
]

function reasonOfContainer({ reason = '', message = '', exitCode }: Terminated): Reason {
  const row = CONTAINER_REASONS.find(({ word, text }) => word.test(reason) && text.test(message))
  return row?.reason ?? (exitCode === 0 ? 'Completed' : 'NonZeroExit')
}

