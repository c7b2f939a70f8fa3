/** What a container is made from. Pure. */
import type { EngineVersion } from '../../engines/docker-api.ts'
import type { EngineJob } from '../contract.ts'
import { labelsOf } from './labels.ts'
import type { DockerOptions } from './options.ts'
import type { DockerMount } from './types.ts'

const MIB = 1024 * 1024
/** The engine counts in 10^-9 CPUs, a job in 10^-3. */
const NANO_PER_MILLI = 1_000_000

/** What of ContainerCreate (Engine API 1.41) a job's container is made from. */
export interface ContainerBody {
  Image: string
  Entrypoint: readonly string[]
  Cmd: readonly string[]
  /** `KEY=value`, each key once. */
  Env: readonly string[]
  /** `uid:gid` */
  User?: string
  Labels: Readonly<Record<string, string>>
  Healthcheck: { Test: readonly string[] }
  Tty: boolean
  OpenStdin: boolean
  AttachStdin: boolean
  AttachStdout: boolean
  AttachStderr: boolean
  HostConfig: HostConfig
}

interface HostConfig {
  Mounts: readonly DockerMount[]
  /** Bytes, of memory and of both memory and swap. */
  Memory?: number
  MemorySwap?: number
  /** 10^-9 CPUs. */
  NanoCpus?: number
  PidsLimit: number
  /** Bytes. */
  ShmSize?: number
  DeviceRequests?: readonly { Driver: string; Count: number; Capabilities: readonly (readonly string[])[] }[]
  CapDrop: readonly string[]
  CapAdd?: readonly string[]
  SecurityOpt: readonly string[]
  Privileged: boolean
  IpcMode: string
  NetworkMode?: string
  Init?: boolean
  Runtime?: string
  RestartPolicy: { Name: string }
  AutoRemove: boolean
  LogConfig: { Type: string; Config: Readonly<Record<string, string>> }
}

/** What the engine's side contributes. */
export interface Host {
  product: EngineVersion['product']
  /** CPUs of the engine's host. */
  cpus: number
}

type ContainerOptions = Pick<DockerOptions, 'network' | 'pidsLimit' | 'gpuDriver' | 'capabilities' | 'init' | 'runtime' | 'log'>

/**
 * The log is kept by the engine for whoever asks, and bounded. Docker's json-file would replace every byte that is not UTF-8, and Podman's
 * journald leaves out lines of a job that writes many (systemd-journald: RateLimitBurst); `local` and `k8s-file` keep all.
 */
const LOGS: Readonly<Record<Host['product'], HostConfig['LogConfig']>> = {
  docker: { Type: 'local', Config: { 'max-size': '64m', 'max-file': '2', compress: 'false' } },
  podman: { Type: 'k8s-file', Config: { 'max-size': '64m' } },
}

/** The body of ContainerCreate (Engine API 1.41). The job's words are argv alone: the image's ENTRYPOINT and CMD are overridden. */
export function containerBody(job: EngineJob, image: string, mounts: readonly DockerMount[], options: ContainerOptions, host: Host): ContainerBody {
  const { argv, env, user, shmSizeMiB } = job
  const { network, init, runtime, log } = options
  const cpu = cpuQuota(job.limits.cpu, host.cpus)
  return {
    Image: image,
    Entrypoint: argv.slice(0, 1),
    Cmd: argv.slice(1),
    Env: [...env],
    ...(user === undefined ? {} : { User: `${user.uid}:${user.gid}` }),
    Labels: labelsOf(job, cpu.note),
    // A health check of the image's would run its own commands beside the job's.
    Healthcheck: { Test: ['NONE'] },
    Tty: false,
    OpenStdin: false,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    HostConfig: {
      Mounts: mounts,
      ...memoryLimit(job.limits.memory),
      ...(cpu.nano === 0 ? {} : { NanoCpus: cpu.nano }),
      PidsLimit: options.pidsLimit,
      ...(shmSizeMiB === undefined ? {} : { ShmSize: shmSizeMiB * MIB }),
      ...gpus(job.limits.gpu, options.gpuDriver),
      CapDrop: ['ALL'],
      ...(options.capabilities.length === 0 ? {} : { CapAdd: [...options.capabilities] }),
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      IpcMode: 'private',
      ...(network === undefined ? {} : { NetworkMode: network }),
      ...(init ? { Init: true } : {}),
      ...(runtime === undefined ? {} : { Runtime: runtime }),
      RestartPolicy: { Name: 'no' },
      AutoRemove: false,
      LogConfig: log === undefined ? LOGS[host.product] : { Type: log.driver, Config: log.options },
    },
  }
}

/** A hard limit: no more than that, and no swap beyond it. */
function memoryLimit(mib: number): Pick<HostConfig, 'Memory' | 'MemorySwap'> {
  return mib === 0 ? {} : { Memory: mib * MIB, MemorySwap: mib * MIB }
}

/** What a kernel can account for: 1 ms in 100 ms (Linux: cpu.cfs_quota_us). */
const LEAST_MILLI = 10

/** No more than the host has, which Docker would refuse, and no less than its kernel takes, of which Docker says nothing until the start. */
function cpuQuota(milli: number, cpus: number): { nano: number; note?: string } {
  const most = cpus * 1000
  if (milli > 0 && milli < LEAST_MILLI) {
    return { nano: LEAST_MILLI * NANO_PER_MILLI, note: `cpu_limit: ${milli}m is less than the engine can give; it gets ${LEAST_MILLI}m` }
  }
  if (milli <= most) return { nano: milli * NANO_PER_MILLI }
  return { nano: most * NANO_PER_MILLI, note: `cpu_limit: ${milli}m is more than the engine's host has; it gets all of its ${most}m` }
}

function gpus(count: number, driver: string): Pick<HostConfig, 'DeviceRequests'> {
  return count === 0 ? {} : { DeviceRequests: [{ Driver: driver, Count: count, Capabilities: [['gpu']] }] }
}
