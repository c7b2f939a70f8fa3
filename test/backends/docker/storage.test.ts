import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkMounts, dockerMounts, mountRefusal, storageProblems } from '../../../lib/backends/docker/storage.ts'
import { findBase } from '../../../lib/backends/docker/storage-volume.ts'
import type { StorageSettings } from '../../../lib/backends/contract.ts'
import { DockerRefusal } from '../../../lib/engines/docker-api.ts'
import type { DockerApi, EngineVersion } from '../../../lib/engines/docker-api.ts'
import type { Mount } from '../../../lib/jobs/types.ts'
import { refusal } from '../../contract/backend/bench.ts'
import { testIf } from '../../support/skip.ts'

const signal = new AbortController().signal
const INPUT: Mount = { field: 'input_dir', source: 'a/in', target: '/share/incoming', readOnly: true }
const OUTPUT: Mount = { field: 'output_dir', source: 'a/out', target: '/share/outgoing', readOnly: false }

/** An engine that has one answer to each path, and counts the questions. */
function fake(answers: Readonly<Record<string, unknown>>, version: Partial<EngineVersion> = {}): DockerApi & { asked: string[] } {
  const asked: string[] = []
  const told: EngineVersion = { api: '1.41', version: '20.10', product: 'docker', ...version }
  return {
    asked,
    version: async () => told,
    ping: async () => told,
    call: async ({ path }) => {
      asked.push(path)
      const json = answers[path]
      if (json === undefined) throw new DockerRefusal('no such thing', 404)
      return { status: 200, json }
    },
    stream: () => Promise.reject(new Error('not asked')),
    close: () => undefined,
  }
}

const VOLUME = { '/volumes/v': { Driver: 'local', Mountpoint: '/docker/v/_data', Options: null } }
const mounts = (api: DockerApi, storage: StorageSettings, list: readonly Mount[] = [INPUT, OUTPUT]) =>
  dockerMounts(api, { storage, host: 'lambda' }, list, signal)

test('nfs is a volume of the local driver, without a name, into which nothing is copied', async () => {
  const entry = (path: string, Target: string, ReadOnly: boolean) => {
    const Options = { type: 'nfs', o: `addr=nfs.example,${ReadOnly ? 'ro' : 'rw'}`, device: `:/export/${path}` }
    return { Type: 'volume', Source: '', Target, ReadOnly, VolumeOptions: { NoCopy: true, DriverConfig: { Name: 'local', Options } } }
  }
  const api = fake({})
  expect(await mounts(api, { type: 'nfs', storebase: '/export/', nfsServer: 'nfs.example' })).toEqual([
    entry('a/in', '/share/incoming', true),
    entry('a/out', '/share/outgoing', false),
  ])
  expect(api.asked).toEqual([])
})

describe('parts of a volume', () => {
  const bound = (path: string) => ({ Type: 'bind', Source: `/docker/v/_data/${path}` })
  const part = (Subpath: string) => ({ Type: 'volume', Source: 'v', VolumeOptions: { NoCopy: true, Subpath } })
  test.each([
    ['docker', '1.44', bound],
    ['docker', '1.45', part],
    ['podman', '1.45', bound],
  ] as const)('%s with API %s', async (product, version, expected) => {
    const found = await mounts(fake(VOLUME, { product, api: version }), { type: 'docker_local_volume', volume: 'v' })
    expect(found).toMatchObject([expected('a/in'), expected('a/out')])
    expect(found.map(({ ReadOnly }) => ReadOnly)).toEqual([true, false])
  })

  test.each([
    [{ Driver: 'ceph', Mountpoint: '', Options: {} }, "is of the driver 'ceph'"],
    [{ Driver: 'local', Mountpoint: '/m', Options: { type: 'nfs' } }, 'has options of its own'],
  ])('%j: only where the engine itself has parts', async (volume, why) => {
    const storage = { type: 'docker_local_volume', volume: 'v' }
    const old = fake({ '/volumes/v': volume })
    for (let turn = 0; turn < 2; turn++) await expect(mounts(old, storage)).rejects.toMatchObject({ code: 'config', message: expect.stringContaining(why) as string })
    expect(old.asked).toHaveLength(2)
    expect(await mounts(fake({ '/volumes/v': volume }, { api: '1.45' }), storage)).toMatchObject([part('a/in'), part('a/out')])
  })

  test('what is known is believed for a minute', async () => {
    const api = fake(VOLUME)
    let now = 0
    const ask = () => findBase(api, { type: 'docker_local_volume', volume: 'v' }, signal, () => now)
    await ask()
    now = 59_999
    await ask()
    expect(api.asked).toHaveLength(1)
    now = 60_000
    await ask()
    expect(api.asked).toHaveLength(2)
  })
})

describe('paths', () => {
  const HOST = { type: 'host', storebase: '/data' }
  test.each(['../x', 'a/../../x', '/etc', 'a\nb', '', '.'])('%j is refused by its field, whatever the storage', async (source) => {
    for (const storage of [HOST, { type: 'docker_local_volume', volume: 'v' }, { type: 'nfs', storebase: '/data', nfsServer: 'n' }]) {
      const { fields, reason } = await refusal(mounts(fake(VOLUME, { api: '1.45' }), storage, [INPUT, { ...OUTPUT, source }]))
      expect({ reason, fields: Object.keys(fields ?? {}) }).toEqual({ reason: 'MountRefused', fields: ['output_dir'] })
      await refusal(checkMounts({ storage, host: 'machine' }, [{ ...OUTPUT, source }]))
    }
  })

  test('a storebase that is not here is the engine\'s to judge', async () => {
    const storage = { type: 'host', storebase: '/no/such/storebase' }
    await checkMounts({ storage, host: 'machine' }, [INPUT])
    expect(await dockerMounts(fake({}), { storage, host: 'machine' }, [INPUT], signal)).toEqual([
      { Type: 'bind', Source: '/no/such/storebase/a/in', Target: '/share/incoming', ReadOnly: true },
    ])
  })

  const root = process.getuid?.() === 0
  testIf(root, 'only root can be somebody else', 'so is a directory that is closed to this process', async () => {
    const base = await mkdtemp(join(tmpdir(), 'pman-closed-'))
    try {
      await chmod(base, 0o755)
      await mkdir(join(base, 'a/in'), { recursive: true })
      await chmod(join(base, 'a'), 0o700)
      process.seteuid?.(65_534)
      await checkMounts({ storage: { type: 'host', storebase: base }, host: 'machine' }, [INPUT])
      const { fields } = await refusal(checkMounts({ storage: { type: 'host', storebase: base }, host: 'machine' }, [{ ...INPUT, source: 'b' }]))
      expect(fields).toEqual({ input_dir: "'b' does not exist" })
    } finally {
      process.seteuid?.(0)
      await rm(base, { recursive: true })
    }
  })
})

describe('an engine that speaks of a mount', () => {
  const entries = [
    { Type: 'bind' as const, Source: '/data/a', Target: '/share/incoming', ReadOnly: true },
    { Type: 'bind' as const, Source: '/data/a/b', Target: '/share/outgoing', ReadOnly: false },
  ]
  test.each([
    ['invalid mount config for type "bind": bind source path does not exist: /data/a', 'input_dir', 'does not exist'],
    ['invalid mount config for type "bind": bind source path does not exist: /data/a/b', 'output_dir', 'does not exist'],
    ['statfs /data/a/b: no such file or directory', 'output_dir', 'does not exist'],
    ['statfs /data/a: permission denied', 'input_dir', 'cannot be read by the engine'],
    ['error mounting "/data/a" to rootfs at "/share/incoming": something else', 'input_dir', 'is refused by the engine'],
  ])('%s', (message, field, problem) => {
    expect(mountRefusal(message, [INPUT, OUTPUT], entries)?.fields).toEqual({ [field]: `'a/${field.slice(0, -4).replace('put', '')}' ${problem}` })
  })
  test.each(['No such image: /data', 'statfs /data/abc: no such file or directory', ''])('%j is about something else', (message) => {
    expect(mountRefusal(message, [INPUT, OUTPUT], entries)).toBeUndefined()
  })
  test('of a part of a volume, and of one that is a server\'s', async () => {
    const [part] = await mounts(fake(VOLUME, { api: '1.45' }), { type: 'docker_local_volume', volume: 'v' }, [INPUT])
    const said = 'cannot access path /docker/v/_data/a/in: lstat /docker/v/_data/a/in: no such file or directory'
    expect(mountRefusal(said, [INPUT], part === undefined ? [] : [part])?.fields).toEqual({ input_dir: "'a/in' does not exist" })
    const [nfs] = await mounts(fake({}), { type: 'nfs', storebase: '/e', nfsServer: 'n' }, [INPUT])
    const failed = 'failed to mount local volume: mount :/e/a/in:/docker/v/x/_data, data: addr=10.0.0.1: no such file or directory'
    expect(mountRefusal(failed, [INPUT], nfs === undefined ? [] : [nfs])?.fields).toEqual({ input_dir: "'a/in' does not exist" })
  })
})

test.each([
  [{ type: 'host', storebase: '/data' }, 0],
  [{ type: 'docker_local_volume' }, 0],
  [{ type: 'nfs', storebase: '/data' }, 0],
  [{ type: 'kubernetes_pvc', volume: 'v' }, 1],
  [{ type: 'host', storebase: 'data' }, 1],
  [{ type: 'host' }, 1],
])('settings: %j', (storage, problems) => {
  expect(storageProblems(storage)).toHaveLength(problems)
})
