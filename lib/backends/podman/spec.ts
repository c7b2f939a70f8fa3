/** A container as Podman's own API makes it: its compatible one makes a directory that a mount names and that is not there. Pure. */
import { isIP } from 'node:net'
import { PmanError } from '../../errors.ts'
import type { ContainerBody } from '../docker/body.ts'
import type { DockerMount } from '../docker/types.ts'

/** In which a job may use its part of the CPUs, in µs; what Docker makes of NanoCpus too (moby: daemon/daemon_unix.go). */
const PERIOD = 100_000

/** SpecGenerator (containers/podman v4: pkg/specgen/specgen.go) for what Docker's ContainerCreate says. Throws PmanError `config`. */
export function podmanSpec(name: string, body: ContainerBody): object {
  const { HostConfig: host } = body
  return {
    name,
    image: body.Image,
    entrypoint: body.Entrypoint,
    command: body.Cmd,
    env: Object.fromEntries(body.Env.map(keyAndValue)),
    // Podman would give the job the proxies of its own environment.
    httpproxy: false,
    ...(body.User === undefined ? {} : { user: body.User }),
    labels: body.Labels,
    healthconfig: body.Healthcheck,
    terminal: body.Tty,
    stdin: body.OpenStdin,
    // A program called `init` would be given other mounts and another end.
    systemd: 'false',
    privileged: host.Privileged,
    no_new_privileges: host.SecurityOpt.includes('no-new-privileges'),
    cap_drop: host.CapDrop,
    ...(host.CapAdd === undefined ? {} : { cap_add: host.CapAdd }),
    resource_limits: resources(host),
    ...(host.ShmSize === undefined ? {} : { shm_size: host.ShmSize }),
    ipcns: { nsmode: host.IpcMode },
    ...network(host.NetworkMode),
    ...(host.Init === true ? { init: true } : {}),
    ...(host.Runtime === undefined ? {} : { oci_runtime: host.Runtime }),
    mounts: host.Mounts.map(mountOf),
    devices: (host.DeviceRequests ?? []).flatMap(devicesOf),
    restart_policy: host.RestartPolicy.Name,
    log_configuration: logging(host.LogConfig),
  }
}

function keyAndValue(entry: string): [string, string] {
  const at = entry.indexOf('=')
  return [entry.slice(0, at), entry.slice(at + 1)]
}

/** LinuxResources of the OCI runtime specification (config-linux.md). */
function resources({ Memory, MemorySwap, NanoCpus, PidsLimit }: ContainerBody['HostConfig']): object {
  return {
    ...(Memory === undefined ? {} : { memory: { limit: Memory, swap: MemorySwap } }),
    ...(NanoCpus === undefined ? {} : { cpu: { quota: Math.round((NanoCpus * PERIOD) / 1e9), period: PERIOD } }),
    pids: { limit: PidsLimit },
  }
}

/** `none` and Podman's own words are modes; any other name is that of a network. */
function network(mode: string | undefined): object {
  if (mode === undefined) return {}
  const own = ['none', 'bridge', 'private', 'slirp4netns', 'pasta']
  return own.includes(mode) ? { netns: { nsmode: mode } } : { netns: { nsmode: 'bridge' }, networks: { [mode]: {} } }
}

/** A mount of the OCI runtime specification (config.md, "Mounts"). A bind's directory must be there. */
function mountOf({ Type, Source, Target, ReadOnly, VolumeOptions }: DockerMount): object {
  const driver = VolumeOptions?.DriverConfig?.Options
  if (driver !== undefined) return nfsMount(driver, Target)
  if (Type === 'bind') return { destination: Target, type: 'bind', source: Source, options: ['rbind', 'rprivate', ReadOnly ? 'ro' : 'rw'] }
  throw new PmanError('config', `storage: Podman is not asked for parts of the volume '${Source}'`)
}

/** The kernel's own client mounts it, which knows no names of hosts: `addr` must be an address (nfs(5), "addr"). */
function nfsMount({ device = '', o = '' }: Readonly<Record<string, string>>, destination: string): object {
  const address = /^addr=([^,]*)/.exec(o)?.[1] ?? ''
  if (isIP(address) === 0) throw new PmanError('config', `storage.nfsServer: must be an IP address with Podman, not '${address}'`)
  const server = isIP(address) === 6 ? `[${address}]` : address
  return { destination, type: 'nfs', source: `${server}${device}`, options: o.split(',') }
}

/** Podman knows GPUs by their names in the Container Device Interface (github.com/cncf-tags/container-device-interface), counted from 0. */
const devicesOf = ({ Driver, Count }: { Driver: string; Count: number }): object[] =>
  Array.from({ length: Count }, (_, index) => ({ path: `${Driver}.com/gpu=${index}` }))

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** `max-size` is a number of bytes of its own to Podman. */
function logging({ Type, Config }: ContainerBody['HostConfig']['LogConfig']): object {
  const { 'max-size': most = '', ...options } = Config
  const [, count, unit = ''] = /^(\d+)([kmg]?)b?$/i.exec(most) ?? []
  const size = count === undefined ? 0 : Number(count) * (UNITS[unit.toLowerCase()] ?? 1)
  return { driver: Type, ...(size > 0 ? { size } : {}), ...(Object.keys(options).length > 0 ? { options } : {}) }
}
