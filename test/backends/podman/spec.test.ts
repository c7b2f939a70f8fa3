import { EngineRejected, type EngineJob } from '../../../lib/backends/contract.ts'
import type { ContainerBody } from '../../../lib/backends/docker/body.ts'
import { podmanFlavour } from '../../../lib/backends/podman/flavour.ts'
import { podman } from '../../../lib/backends/podman/index.ts'
import { requireLimits } from '../../../lib/backends/podman/limits.ts'
import { podmanSpec } from '../../../lib/backends/podman/spec.ts'
import { DockerRefusal } from '../../../lib/engines/docker-api.ts'
import { body } from './body.ts'

const spec = (more: Partial<ContainerBody>, host: Partial<ContainerBody['HostConfig']> = {}): object => {
  const base = body('docker.io/local/box:1')
  return podmanSpec('n', { ...base, ...more, HostConfig: { ...base.HostConfig, ...host } })
}

describe('what Podman is asked for', () => {
  test('the least', () => {
    expect(spec({})).toEqual({
      name: 'n',
      image: 'docker.io/local/box:1',
      entrypoint: ['sh'],
      command: ['-c', 'exit 0'],
      env: {},
      httpproxy: false,
      labels: {},
      healthconfig: { Test: ['NONE'] },
      terminal: false,
      stdin: false,
      systemd: 'false',
      privileged: false,
      no_new_privileges: true,
      cap_drop: ['ALL'],
      resource_limits: { pids: { limit: 4096 } },
      ipcns: { nsmode: 'private' },
      mounts: [],
      devices: [],
      restart_policy: 'no',
      log_configuration: { driver: 'k8s-file', size: 67_108_864 },
    })
  })

  const settings: [string, Partial<ContainerBody>, Partial<ContainerBody['HostConfig']>, object][] = [
    ['values of the environment', { Env: ['A=b=c', 'B='] }, {}, { env: { A: 'b=c', B: '' } }],
    ['user', { User: '7:8' }, {}, { user: '7:8' }],
    ['memory', {}, { Memory: 64, MemorySwap: 64 }, { resource_limits: { memory: { limit: 64, swap: 64 }, pids: { limit: 4096 } } }],
    ['cpus', {}, { NanoCpus: 1_500_000_000 }, { resource_limits: { cpu: { quota: 150_000, period: 100_000 }, pids: { limit: 4096 } } }],
    ['the least cpus', {}, { NanoCpus: 10_000_000 }, { resource_limits: { cpu: { quota: 1000, period: 100_000 }, pids: { limit: 4096 } } }],
    ['shm', {}, { ShmSize: 9 }, { shm_size: 9 }],
    ['no network', {}, { NetworkMode: 'none' }, { netns: { nsmode: 'none' } }],
    ['a network', {}, { NetworkMode: 'site' }, { netns: { nsmode: 'bridge' }, networks: { site: {} } }],
    ['capabilities', {}, { CapAdd: ['CHOWN'] }, { cap_drop: ['ALL'], cap_add: ['CHOWN'] }],
    ['init and runtime', {}, { Init: true, Runtime: 'crun' }, { init: true, oci_runtime: 'crun' }],
    ['a log', {}, { LogConfig: { Type: 'journald', Config: { tag: 'x' } } }, { log_configuration: { driver: 'journald', options: { tag: 'x' } } }],
    [
      'GPUs',
      {},
      { DeviceRequests: [{ Driver: 'nvidia', Count: 2, Capabilities: [['gpu']] }] },
      { devices: [{ path: 'nvidia.com/gpu=0' }, { path: 'nvidia.com/gpu=1' }] },
    ],
    [
      'binds',
      {},
      { Mounts: [{ Type: 'bind', Source: '/a:b,"c', Target: '/in', ReadOnly: true }] },
      { mounts: [{ destination: '/in', type: 'bind', source: '/a:b,"c', options: ['rbind', 'rprivate', 'ro'] }] },
    ],
  ]
  test.each(settings)('%s', (_name, more, host, part) => {
    expect(spec(more, host)).toMatchObject(part)
  })

  const nfs = (o: string): Partial<ContainerBody['HostConfig']> => ({
    Mounts: [
      {
        Type: 'volume',
        Source: '',
        Target: '/in',
        ReadOnly: true,
        VolumeOptions: { NoCopy: true, DriverConfig: { Name: 'local', Options: { type: 'nfs', o, device: ':/export/a' } } },
      },
    ],
  })
  test.each([
    ['10.0.0.1', '10.0.0.1:/export/a'],
    ['fd00::1', '[fd00::1]:/export/a'],
  ])('nfs of %s', (address, source) => {
    expect(spec({}, nfs(`addr=${address},ro`))).toMatchObject({
      mounts: [{ destination: '/in', type: 'nfs', source, options: [`addr=${address}`, 'ro'] }],
    })
  })
  test('nfs by the name of a host is refused: the kernel knows none', () => {
    expect(() => spec({}, nfs('addr=nfs.example,ro'))).toThrow(/storage.nfsServer: must be an IP address/)
  })
})

describe('limits that this Podman does not keep', () => {
  const ALL = ['cpu', 'memory', 'pids']
  const fields = (limits: Partial<EngineJob['limits']>, rootless: boolean, cgroupVersion: string, controllers: string[]): string[] => {
    const job = { limits: { cpu: 0, memory: 0, gpu: 0, time: 0, ...limits }, spec: { memoryLimit: 0, cpuLimit: 0 } as EngineJob['spec'] }
    try {
      requireLimits(job, { rootless, cgroupVersion, controllers })
      return []
    } catch (error) {
      if (error instanceof EngineRejected) return Object.keys(error.fields ?? {})
      throw error
    }
  }
  test.each([
    ['root, v1', { cpu: 1, memory: 99 }, false, 'v1', ALL, []],
    ['a user, v1', { cpu: 1, memory: 99 }, true, 'v1', ALL, ['memory_limit', 'cpu_limit']],
    ['a user, v2, all delegated', { cpu: 1, memory: 99 }, true, 'v2', ALL, []],
    ['a user, v2, as systemd delegates', { cpu: 1, memory: 99 }, true, 'v2', ['memory', 'pids'], ['cpu_limit']],
    ['a user, v2, none', { memory: 99 }, true, 'v2', [], ['memory_limit']],
    ['no limits asked for', {}, true, 'v1', [], []],
    ['too little to begin with', { memory: 5 }, false, 'v1', ALL, ['memory_limit']],
    ['enough to begin with', { memory: 6 }, false, 'v1', ALL, []],
  ] as const)('%s', (_name, limits, rootless, version, controllers, expected) => {
    expect(fields(limits, rootless, version, [...controllers])).toEqual(expected)
  })
})

describe('what Podman says of a create', () => {
  test.each([
    ['docker.io/local/none:1: image not known', true, false],
    ['sha256:0: No such image', true, false],
    ['statfs /x/y: no such file or directory', false, true],
    ['CPU cfs quota cannot be less than 1ms (i.e. 1000)', false, true],
    ['"CAP_NOSUCH": unknown capability', false, true],
    ['unable to find network with name or ID nope: network not found', false, true],
    ['creating container storage: the container name "n" is already in use by 90. You have to remove that container', false, false],
    ['database is locked', false, false],
  ])('%s', (message, lacksImage, isAtFault) => {
    const refusal = new DockerRefusal(message, 500)
    expect({ lacksImage: podmanFlavour.lacksImage(refusal), isAtFault: podmanFlavour.isAtFault(refusal) }).toEqual({ lacksImage, isAtFault })
  })
})

test('a compute needs no host, and has the checks of docker', () => {
  const storage = { type: 'host', storebase: '/data' }
  expect(podman.problems({ options: {}, storage })).toEqual([])
  expect(podman.problems({ options: { host: 'nowhere', pull: 'x' }, storage: { type: 'kubernetes_pvc' } }).length).toBeGreaterThan(1)
})
