/** What the driver asks a Swarm for: the spec of a service, and the labels by which its life is told. Pure. */
import { isAtLeast } from '../../engines/docker-api.ts'
import type { EngineJob } from '../contract.ts'
import { LABEL as OWNER_LABEL, labelsOf } from '../docker/labels.ts'
import type { DockerMount } from '../docker/types.ts'
import type { SwarmOptions } from './options.ts'
import type { Node, Service } from './shapes.ts'
import { literal, literalIn, workerIndex } from './template.ts'

/** Labels of the service besides the owner's. The last two are what decides its life, each written with one versioned update. */
export const LABEL = {
  ...OWNER_LABEL,
  /** How many tasks it is to have once it is released. */
  workers: 'pman-serverless.workers',
  /** It was let run, once and for all, by this attempt. */
  released: 'pman-serverless.released',
  /** It is never to run. */
  withdrawn: 'pman-serverless.withdrawn',
} as const

const MIB = 1024 * 1024
/** Thousandths of a CPU in billionths. */
const NANO_PER_MILLI = 1_000_000
const NANO_PER_SECOND = 1_000_000_000

/** Bounded, since a log is not to fill the node. `json-file` would replace every byte that is not UTF-8; `local` keeps all. */
const LOG = { driver: 'local', options: { 'max-size': '64m', 'max-file': '2', compress: 'false' } }

/** What the engine was asked before the spec is made. */
export interface Facts {
  image: string
  mounts: readonly DockerMount[]
  /** The version of the API that is spoken. */
  api: string
  cpu: CpuLimit
}

/** A service that has no tasks, until its number of replicas is changed (Docker Engine API 1.41, ServiceCreate). */
export function serviceSpec(job: EngineJob, { image, mounts, api, cpu }: Facts, options: SwarmOptions): object {
  const { engineName, limits, user } = job
  const { workers } = job.spec
  const labels = labelsOf(job, cpu.note)
  const bounds = { ...(cpu.nano > 0 ? { NanoCPUs: cpu.nano } : {}), ...(limits.memory > 0 ? { MemoryBytes: limits.memory * MIB } : {}) }
  const gpus = limits.gpu > 0 ? { GenericResources: [{ DiscreteResourceSpec: { Kind: options.gpuResource, Value: limits.gpu } }] } : {}
  const log = options.log ?? LOG
  const constraints = [...options.constraints, ...cpu.constraints]
  return {
    Name: engineName,
    Labels: { ...labels, [LABEL.workers]: String(workers) },
    TaskTemplate: {
      ContainerSpec: {
        Image: image,
        Labels: labels,
        // Command takes the place of the image's ENTRYPOINT; without it, Args would be added to that.
        Command: job.argv,
        Env: environment(job),
        ...(user === undefined ? {} : { User: `${user.uid}:${user.gid}` }),
        ...(options.init ? { Init: true } : {}),
        // A health check of the image's would run its own commands beside the job's.
        Healthcheck: { Test: ['NONE'] },
        TTY: false,
        Mounts: literalIn([...mounts, ...sharedMemory(job)]),
        StopGracePeriod: options.stopGrace * NANO_PER_SECOND,
        CapabilityDrop: ['ALL'],
        ...(options.capabilities.length > 0 ? { CapabilityAdd: options.capabilities } : {}),
        // Older engines have no such field for services and would drop it without a word.
        ...(isAtLeast(api, '1.44') ? { Privileges: { NoNewPrivileges: true } } : {}),
      },
      RestartPolicy: { Condition: 'none' },
      Resources: { Limits: { ...bounds, Pids: options.pidsLimit }, Reservations: { ...(options.reserve ? bounds : {}), ...gpus } },
      ...(constraints.length > 0 ? { Placement: { Constraints: constraints } } : {}),
      ...(options.network === undefined ? {} : { Networks: [{ Target: options.network }] }),
      LogDriver: { Name: log.driver, Options: log.options },
    },
    Mode: { Replicated: { Replicas: 0 } },
  }
}

/** The caller's own values go before these. */
function environment({ env, spec: { workers } }: EngineJob): string[] {
  const given = new Set(env.map((entry) => entry.slice(0, entry.indexOf('='))))
  const own = { NUMBER_OF_WORKERS: String(workers), PMAN_WORKER_INDEX: workerIndex(workers) }
  return [...env.map(escaped), ...Object.entries(own).flatMap(([key, value]) => (given.has(key) ? [] : [`${key}=${value}`]))]
}

/** Only what is behind the first `=` is a template. */
function escaped(entry: string): string {
  const at = entry.indexOf('=') + 1
  return entry.slice(0, at) + literal(entry.slice(at))
}

/** A service has no ShmSize; a file system in memory at its place has the size instead. */
const sharedMemory = ({ shmSizeMiB }: EngineJob): object[] =>
  shmSizeMiB === undefined ? [] : [{ Type: 'tmpfs', Target: '/dev/shm', TmpfsOptions: { SizeBytes: shmSizeMiB * MIB, Mode: 0o1777 } }]

/** A limit of CPUs that some node takes: a node refuses a task whose limit is above its own CPUs. */
export interface CpuLimit {
  /** Billionths of a CPU; 0: none. */
  nano: number
  /** Keeps the tasks off the nodes that are too small for it. */
  constraints: readonly string[]
  /** What was made of the limit that was asked for. */
  note?: string | undefined
}

/** Clamped to the largest node there is. */
export function cpuLimit(millis: number, nodes: readonly Node[]): CpuLimit {
  const asked = millis * NANO_PER_MILLI
  const sizes = nodes.flatMap(({ ID, Spec, Status, Description }) => {
    const nano = Description?.Resources?.NanoCPUs
    return nano !== undefined && Spec?.Availability !== 'drain' && Status?.State !== 'down' ? [{ id: ID, nano }] : []
  })
  const largest = Math.max(0, ...sizes.map(({ nano }) => nano))
  const nano = largest === 0 ? asked : Math.min(asked, largest)
  const constraints = sizes.filter((node) => node.nano < nano).map(({ id }) => `node.id!=${id}`)
  const note = nano < asked ? `cpu_limit: ${millis}m is more than any node has; it gets ${nano / NANO_PER_MILLI}m` : undefined
  return { nano, constraints, note }
}

/** The update that lets a service run, or takes that from it for ever: the spec as it was read, but for these (ServiceUpdate). */
export function changed(spec: Service['Spec'], label: string, value: string, replicas: number): object {
  const { Labels, Mode } = spec
  return { ...spec, Labels: { ...Labels, [label]: value }, Mode: { ...Mode, Replicated: { ...Mode?.Replicated, Replicas: replicas } } }
}
