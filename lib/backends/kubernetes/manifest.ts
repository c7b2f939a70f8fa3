import type { Container, EnvironmentVariable, Job, PodSecurityContext, PodSpec, Volume } from '../../engines/kubernetes-objects.ts'
import type { EngineJob, StorageSettings } from '../contract.ts'
import { ownerMetadata } from './labels.ts'
import type { KubernetesOptions } from './options.ts'
import { directoryCheck, jobMounts, storageVolume } from './storage.ts'

/** The container that runs the job; a cluster may put others beside it. */
export const CONTAINER = 'job'

/**
 * Says whether the Job was ever released. Suspending says nothing of that, since anybody may suspend a job that has run; so a release
 * compares and sets this, and only a job that still has `no` is inert.
 */
export const RELEASED = 'pman-serverless/released'
export const UNRELEASED = 'no'

/** Who a job's processes are. */
export type UserContext = (user: EngineJob['user']) => PodSecurityContext

/** The user, its primary group, and that group for volumes that take one. */
export const runAsUser: UserContext = (user) =>
  user === undefined
    ? {}
    : {
        runAsUser: user.uid,
        runAsGroup: user.gid,
        fsGroup: user.gid,
        fsGroupChangePolicy: 'OnRootMismatch',
        ...(user.uid === 0 ? {} : { runAsNonRoot: true }),
      }

/** The Job that runs this job once, made suspended (Kubernetes API reference, Job v1 batch). */
export function jobManifest(job: EngineJob, options: KubernetesOptions, storage: StorageSettings, userContext: UserContext): Job {
  const { labels, annotations } = ownerMetadata(job)
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: job.engineName, labels, annotations: { ...annotations, [RELEASED]: UNRELEASED } },
    spec: {
      suspend: true,
      parallelism: job.spec.workers,
      completions: job.spec.workers,
      completionMode: 'Indexed',
      // Nothing runs a second time by itself.
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: { rules: [{ action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }] },
      ttlSecondsAfterFinished: options.ttlSecondsAfterFinished,
      template: { metadata: { labels, annotations }, spec: podSpec(job, options, storage, userContext) },
    },
  }
}

function podSpec(job: EngineJob, options: KubernetesOptions, storage: StorageSettings, userContext: UserContext): PodSpec {
  const { priorityClassName, runtimeClassName, schedulerName, serviceAccountName, checkImage } = options
  const { mounts } = job.spec
  return {
    restartPolicy: 'Never',
    // The pod's limit keeps the pod and its log; the Job's would lose both.
    ...(job.limits.time > 0 ? { activeDeadlineSeconds: job.limits.time } : {}),
    terminationGracePeriodSeconds: options.terminationGracePeriodSeconds,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { seccompProfile: { type: 'RuntimeDefault' }, ...userContext(job.user) },
    nodeSelector: options.nodeSelector,
    imagePullSecrets: options.imagePullSecrets.map((name) => ({ name })),
    tolerations: options.tolerations.map(defined),
    ...defined({ priorityClassName, runtimeClassName, schedulerName, serviceAccountName }),
    ...(checkImage === undefined || mounts.length === 0 ? {} : { initContainers: [checkContainer(job, options, checkImage)] }),
    containers: [jobContainer(job, options)],
    volumes: [...(mounts.length === 0 ? [] : [storageVolume(storage)]), ...shmVolume(job)],
  }
}

function jobContainer(job: EngineJob, options: KubernetesOptions): Container {
  const { image, entrypoint, args, mounts } = job.spec
  const shm = job.shmSizeMiB === undefined ? [] : [{ name: SHM, mountPath: '/dev/shm' }]
  return {
    name: CONTAINER,
    image,
    ...(entrypoint.length === 0 ? {} : { command: entrypoint.map(literally) }),
    ...(args.length === 0 ? {} : { args: args.map(literally) }),
    env: environment(job),
    volumeMounts: [...jobMounts(mounts), ...shm],
    ...confined(job, options),
  }
}

function checkContainer(job: EngineJob, options: KubernetesOptions, checkImage: string): Container {
  const { words, ...container } = directoryCheck(checkImage, job.spec.mounts)
  return { ...container, command: words.map(literally), ...confined(job, options) }
}

type Confined = Pick<Container, 'imagePullPolicy' | 'resources' | 'securityContext'>

/** What every container of the pod has: a quota asks each of them for its resources. */
function confined({ limits: { cpu, memory, gpu } }: EngineJob, { imagePullPolicy, gpuResource }: KubernetesOptions): Confined {
  const amounts = {
    ...(cpu > 0 ? { cpu: `${cpu}m` } : {}),
    ...(memory > 0 ? { memory: `${memory}Mi` } : {}),
    ...(gpu > 0 ? { [gpuResource]: String(gpu) } : {}),
  }
  return {
    ...defined({ imagePullPolicy }),
    resources: { requests: amounts, limits: amounts },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  }
}

/**
 * What pman tells its workers, as text; JOB_COMPLETION_INDEX, the worker's own number from 0, is set by Kubernetes. The request's own
 * values go before.
 */
function environment({ env, spec, limits }: EngineJob): EnvironmentVariable[] {
  const values = new Map([
    ['NUMBER_OF_WORKERS', String(spec.workers)],
    ['CPU_LIMIT', `${limits.cpu}m`],
    ['MEMORY_LIMIT', `${limits.memory}Mi`],
    ...env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)] as const),
  ])
  return Array.from(values, ([name, value]) => ({ name, value: literally(value) }))
}

/** Kubernetes puts values in place of `$(NAME)` in words and values, and takes `$$` for `$` (API reference, Container v1, args). */
export const literally = (word: string): string => word.replaceAll('$', '$$$$')

const SHM = 'shm'
const shmVolume = ({ shmSizeMiB }: EngineJob): Volume[] =>
  shmSizeMiB === undefined ? [] : [{ name: SHM, emptyDir: { medium: 'Memory', sizeLimit: `${shmSizeMiB}Mi` } }]

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the keys that have no value: the client would send them. */
function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}
