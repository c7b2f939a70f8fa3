import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dockerMounts, mountRefusal } from '../../../lib/backends/docker/storage.ts'
import type { DockerMount } from '../../../lib/backends/docker/types.ts'
import { DockerRefusal } from '../../../lib/engines/docker-api.ts'
import type { DockerApi } from '../../../lib/engines/docker-api.ts'
import type { StorageSettings } from '../../../lib/backends/contract.ts'
import type { Mount } from '../../../lib/jobs/types.ts'
import { refusal } from '../../contract/backend/bench.ts'

/** What the suite needs of an engine. */
export interface StorageEngine {
  api: DockerApi
  image: string
  /** Makes a container with these mounts and labels that runs a script; throws what the engine throws. The id. */
  create(script: string, mounts: readonly DockerMount[], labels?: Readonly<Record<string, string>>): Promise<string>
}

const MARK = 'pman-test-storage'
const signal = new AbortController().signal

/** The storage settings on an engine of the Docker kind, each with a container that tries it. */
export function mountsItsStorage(engine: () => StorageEngine): void {
  const tag = randomBytes(6).toString('hex')
  const volume = `${MARK}-${tag}`
  let root: string
  let base: string

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'pman-storage-'))
    await chmod(root, 0o755)
    base = join(root, 'base')
    await mkdir(base)
    await engine().api.call({ method: 'POST', path: '/volumes/create', body: { Name: volume }, signal })
  })
  afterAll(async () => {
    await remove(`${MARK}=${tag}`)
    await engine().api.call({ method: 'DELETE', path: `/volumes/${volume}`, signal })
    await rm(root, { recursive: true, force: true })
  })

  const remove = async (label: string): Promise<void> => {
    const query = { all: true, filters: JSON.stringify({ label: [label] }) }
    const { json } = await engine().api.call({ method: 'GET', path: '/containers/json', query, signal })
    for (const { Id } of json as { Id: string }[]) {
      // Podman would wait for the end of a program that heeds no SIGTERM.
      await engine().api.call({ method: 'POST', path: `/containers/${Id}/kill`, signal }).catch(unlessRefused)
      await engine().api.call({ method: 'DELETE', path: `/containers/${Id}`, query: { force: true, v: true }, signal })
    }
  }
  const create = (script: string, mounts: readonly DockerMount[], labels = {}): Promise<string> =>
    engine().create(script, mounts, { [MARK]: tag, ...labels })
  const run = async (script: string, mounts: readonly DockerMount[]): Promise<number> => {
    const id = await create(script, mounts)
    await engine().api.call({ method: 'POST', path: `/containers/${id}/start`, signal })
    const { json } = await engine().api.call({ method: 'POST', path: `/containers/${id}/wait`, signal })
    return (json as { StatusCode: number }).StatusCode
  }
  const mount = (source: string, more: Partial<Mount> = {}): Mount => ({
    field: 'output_dir',
    source,
    target: '/share/outgoing',
    readOnly: false,
    ...more,
  })
  const input = (source: string): Mount => mount(source, { field: 'input_dir', target: '/share/incoming', readOnly: true })
  const entries = (storage: StorageSettings, mounts: readonly Mount[], host: 'machine' | 'lambda' = 'machine'): Promise<DockerMount[]> =>
    dockerMounts(engine().api, { storage, host }, mounts, signal)
  const host = (): StorageSettings => ({ type: 'host', storebase: base })

  const ODD = ['plain', 'a:b', 'a,b', 'a"b', "a'b $(x) `y`", 'ü 漢字 🚀', 'a\\b', 'deep/er/dir', ' blank ', 'ro,target=/etc']

  describe('host', () => {
    test.each(ODD)('%j is mounted, to be read and to be written', async (name) => {
      await mkdir(join(base, name, 'out'), { recursive: true })
      await writeFile(join(base, name, 'in'), name)
      const mounts = await entries(host(), [input(name), mount(`${name}/out`)])
      expect(await run('cat /share/incoming/in >/share/outgoing/seen; echo no >/share/incoming/no 2>/dev/null && exit 9; exit 0', mounts)).toBe(0)
      expect(await readFile(join(base, name, 'out', 'seen'), 'utf8')).toBe(name)
      expect((await readdir(join(base, name))).sort()).toEqual(['in', 'out'])
    })

    test('one directory in two places, to be read in one and written in the other', async () => {
      await mkdir(join(base, 'same'))
      const script = 'echo x >/share/outgoing/x && [ "$(cat /share/incoming/x)" = x ] && ! (echo y >/share/incoming/y) 2>/dev/null'
      expect(await run(script, await entries(host(), [input('same'), mount('same')]))).toBe(0)
    })

    test('a directory that is not there is refused by its field, by the gateway or by the engine, and not made', async () => {
      await mkdir(join(base, 'there'), { recursive: true })
      const mounts = [input('none/deep'), mount('there')]
      expect((await refusal(entries(host(), mounts))).fields).toEqual({ input_dir: "'none/deep' does not exist" })
      const blind = await entries(host(), mounts, 'lambda')
      const refused: unknown = await create('exit 0', blind).catch((error: unknown) => error)
      if (!(refused instanceof DockerRefusal)) throw new Error(String(refused))
      const told = mountRefusal(refused.message, mounts, blind)
      expect(told).toMatchObject({ reason: 'MountRefused', fields: { input_dir: "'none/deep' does not exist" } })
      expect(told?.message).not.toContain(base)
      await expect(readdir(join(base, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('both fields of one directory that is not there', async () => {
      const mounts = [input('nowhere'), mount('nowhere')]
      const refused: unknown = await create('exit 0', await entries(host(), mounts, 'lambda')).catch((error: unknown) => error)
      const problem = "'nowhere' does not exist"
      expect(mountRefusal((refused as Error).message, mounts, await entries(host(), mounts, 'lambda'))?.fields).toEqual({ input_dir: problem, output_dir: problem })
    })

    test('a symbolic link is followed inside of the storebase, and refused when it leads out of it', async () => {
      await mkdir(join(base, 'target'))
      await writeFile(join(base, 'target', 'in'), '')
      await symlink('target', join(base, 'inside'))
      await symlink(root, join(base, 'outside'))
      const [inside] = await entries(host(), [input('inside')])
      expect(inside?.Source).toBe(join(base, 'target'))
      expect(await run('[ -e /share/incoming/in ]', await entries(host(), [input('inside')]))).toBe(0)
      expect((await refusal(entries(host(), [input('outside')]))).fields).toEqual({
        input_dir: "'outside' leads out of the storebase by a symbolic link",
      })
    })
  })

  describe('docker_local_volume', () => {
    const named = (): StorageSettings => ({ type: 'docker_local_volume', volume })
    const put = (script: string): Promise<number> =>
      run(script, [{ Type: 'volume', Source: volume, Target: '/v', ReadOnly: false }])

    test.each(['machine', 'lambda'] as const)('parts of one volume, to be read and to be written, from a %s', async (place) => {
      expect(await put(`mkdir -p /v/${place}/in '/v/${place}/a:b,"c'; echo ${place} >/v/${place}/in/x; echo secret >/v/secret`)).toBe(0)
      const mounts = await entries(named(), [input(`${place}/in`), mount(`${place}/a:b,"c`)], place)
      const script = 'cp /share/incoming/x /share/outgoing/y; ls -R /share | grep -q secret && exit 8; echo no >/share/incoming/no 2>/dev/null && exit 9; exit 0'
      expect(await run(script, mounts)).toBe(0)
      expect(await put(`[ "$(cat '/v/${place}/a:b,"c/y')" = ${place} ]`)).toBe(0)
    })

    test('a directory that the volume has not', async () => {
      const mounts = [input('none')]
      expect((await refusal(entries(named(), mounts))).fields).toEqual({ input_dir: "'none' does not exist" })
      const blind = await entries(named(), mounts, 'lambda')
      const refused: unknown = await create('exit 0', blind).catch((error: unknown) => error)
      expect(mountRefusal((refused as Error).message, mounts, blind)?.fields).toEqual({ input_dir: "'none' does not exist" })
      expect(await put('[ ! -e /v/none ]')).toBe(0)
    })

    test('a link in the volume that leads out of it', async () => {
      expect(await put('ln -s /etc /v/outside')).toBe(0)
      expect((await refusal(entries(named(), [input('outside')]))).fields?.input_dir).toContain('leads out')
    })

    test('a volume that is not there is not made', async () => {
      const storage = { type: 'docker_local_volume', volume: `${volume}-none` }
      await expect(entries(storage, [])).rejects.toMatchObject({ code: 'config', message: expect.stringContaining(`'${volume}-none'`) as string })
      await expect(engine().api.call({ method: 'GET', path: `/volumes/${volume}-none`, signal })).rejects.toMatchObject({ status: 404 })
    })

    test('a volume with options of its own is refused, with the reason', async () => {
      const Name = `${volume}-nfs`
      const body = { Name, Driver: 'local', DriverOpts: { type: 'tmpfs', device: 'tmpfs' } }
      await engine().api.call({ method: 'POST', path: '/volumes/create', body, signal })
      const asked = entries({ type: 'docker_local_volume', volume: Name }, [])
      await expect(asked).rejects.toMatchObject({ code: 'config', message: expect.stringContaining('options of its own') as string })
      await engine().api.call({ method: 'DELETE', path: `/volumes/${Name}`, signal })
    })
  })

  describe('PFCON_SELECTOR', () => {
    const label = (name: string): string => `test.${tag}.role=${name}`
    const by = (name: string): Promise<DockerMount[]> =>
      entries({ type: 'docker_local_volume', pfconSelector: label(name) }, [mount('x')], 'lambda')
    const pfcon = async (name: string, mounts: DockerMount[], start = true): Promise<void> => {
      const id = await create('sleep 600', mounts, { [`test.${tag}.role`]: name })
      if (start) await engine().api.call({ method: 'POST', path: `/containers/${id}/start`, signal })
    }
    const at = (Target: string, Source = volume, Type: DockerMount['Type'] = 'volume'): DockerMount => ({ Type, Source, Target, ReadOnly: false })
    const STOREBASE = '/var/local/storeBase'

    test('no such container', async () => {
      await pfcon('stopped', [at(STOREBASE)], false)
      for (const name of ['none', 'stopped']) {
        await expect(by(name)).rejects.toMatchObject({ code: 'config', message: expect.stringContaining(`'${label(name)}'`) as string })
      }
    })

    test('the volume of one container, and of several that share it', async () => {
      const { json } = await engine().api.call({ method: 'GET', path: `/volumes/${volume}`, signal })
      const { Mountpoint } = json as { Mountpoint: string }
      await pfcon('one', [at(STOREBASE), at('/other', base, 'bind')])
      expect((await by('one'))[0]?.Source).toBe(`${Mountpoint}/x`)
      await pfcon('shared', [at(STOREBASE)])
      await pfcon('shared', [at(STOREBASE)])
      expect((await by('shared'))[0]?.Source).toBe(`${Mountpoint}/x`)
    })

    test('the directory of a bind', async () => {
      await pfcon('bind', [at(STOREBASE, base, 'bind')])
      expect(await by('bind')).toEqual([{ Type: 'bind', Source: join(base, 'x'), Target: '/share/outgoing', ReadOnly: false }])
    })

    test('a container that has none there, and several that differ', async () => {
      await pfcon('elsewhere', [at('/elsewhere')])
      await expect(by('elsewhere')).rejects.toMatchObject({ code: 'config', message: expect.stringContaining(STOREBASE) as string })
      // A failure is not kept.
      await pfcon('elsewhere', [at(STOREBASE)])
      expect(await by('elsewhere')).toHaveLength(1)
      await pfcon('two', [at(STOREBASE)])
      await pfcon('two', [at(STOREBASE, base, 'bind')])
      await expect(by('two')).rejects.toMatchObject({ code: 'config', message: expect.stringMatching(new RegExp(`${base}.*${volume}`)) as string })
    })
  })
}

/** It does not run any more. */
function unlessRefused(error: unknown): void {
  if (!(error instanceof DockerRefusal)) throw error
}
