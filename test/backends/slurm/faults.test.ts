import { execFileSync } from 'node:child_process'
import { access, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { jest } from '@jest/globals'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import type { Backend, Found } from '../../../lib/backends/contract.ts'
import { NO_DIRECTORY } from '../../../lib/backends/slurm/script.ts'
import { NO_SITE, siteOrNone, slurmGround } from '../../contract/backend/slurm-harness.ts'
import type { Ground } from '../../contract/backend/slurm-harness.ts'
import { describeIf } from '../../support/skip.ts'
import { proxyTo } from './proxy.ts'
import { call, clear, deploymentId, ended, logOf, look, made, phase, run, until } from './site.ts'

const site = siteOrNone()
const EXTRA = { field: 'extra', source: 'x', target: '/data', readOnly: true }
jest.setTimeout(300_000)

describeIf(site.url !== '', NO_SITE, 'slurm: faults on a real cluster', () => {
  const deployment = deploymentId()
  const { url, user } = site
  let ground: Ground
  let backend: Backend
  beforeAll(async () => {
    ground = await slurmGround(site)
    backend = ground.open(deployment)
  })
  afterEach(() => clear(backend))
  afterAll(() => ground.tearDown())
  const listed = async (): Promise<Found[]> => {
    const all: Found[] = []
    for await (const one of backend.list(call())) all.push(one)
    return all
  }
  const slurm = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const idOf = (ref: string): string => String((JSON.parse(ref) as { id: number }).id)

  describe('what the site does not take is refused, and nothing is left', () => {
    test.each<[string, Record<string, unknown>, Parameters<typeof made>[3], string[]]>([
      ['a partition that is not there', { partition: 'nowhere' }, {}, []],
      ['more CPUs than a node of the partition has', {}, { limits: { cpu: 99_000 } }, ['cpuLimit']],
      ['a time limit above the partition\'s', { partition: 'short' }, { limits: { time: 36_000 } }, ['timeLimit']],
      ['a GPU where there is none', {}, { limits: { gpu: 1 } }, ['gpuLimit']],
      ['a GPU for each of several workers', {}, { limits: { gpu: 1 }, spec: { workers: 2 } }, ['gpuLimit']],
      ['a mount that the template has no place for', {}, { spec: { mounts: [EXTRA] } }, ['extra']],
      ['no program', {}, {}, ['entrypoint']],
    ])('%s', async (name, changes, wish, fields) => {
      const { job } = await made(ground, deployment, 'exit 0', wish)
      const asked = name === 'no program' ? { ...job, argv: [] } : job
      const driver = ground.open(deployment, { ...changes, seesStorebase: false })
      const error: unknown = await driver.create(asked, undefined, call()).catch((one: unknown) => one)
      expect(error).toBeInstanceOf(EngineRejected)
      expect(Object.keys((error as EngineRejected).fields ?? {})).toEqual(fields)
      const left = (await listed()).filter(({ observation }) => observation.kind !== 'state' || observation.phase !== 'withdrawn')
      expect(left).toEqual([])
    })

    test('more memory than any node has: SLURM takes it, and the wait says that it is for ever', async () => {
      const { job } = await made(ground, deployment, 'exit 0', { limits: { memory: 99_999_999 } })
      const ref = await backend.create(job, undefined, call())
      await backend.release(ref, 1, call())
      const seen = await until(() => look(backend, ref), (one) => phase('waiting')(one) && JSON.stringify(one).includes('BadConstraints'))
      expect(seen).toMatchObject({ message: expect.stringMatching(/^no node of the partition can ever run it/) as string })
      expect(await until(() => backend.stop(ref, call()), (answer) => answer === 'gone')).toBe('gone')
      expect(await look(backend, ref)).toMatchObject({ phase: 'withdrawn' })
    })
  })

  describe('a token', () => {
    const expired = async (): Promise<string> => {
      const token = slurm('scontrol', 'token', `username=${user}`, 'lifespan=1').trim().replace('SLURM_JWT=', '')
      await delay(2500)
      return token
    }

    test('that has expired is unknown for every look, and no refusal of a job', async () => {
      const { job } = await made(ground, deployment, 'exit 0')
      const ref = await backend.create(job, undefined, call())
      const old = await expired()
      const late = ground.open(deployment, { apiVersion: 38 }, () => old)
      expect(await look(late, ref)).toMatchObject({ kind: 'unknown' })
      const changing = [late.create(job, undefined, call()), late.stop(ref, call()), late.remove(ref, call())]
      const answers = await Promise.allSettled([...changing, late.health(call())])
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 'rejected' })
        expect((answer as PromiseRejectedResult).reason).not.toBeInstanceOf(EngineRejected)
      }
      expect(await look(backend, ref)).toEqual({ kind: 'inert' })
    })

    test('that was renewed meanwhile is read again, and the job goes on', async () => {
      const tokens = [await expired()]
      const { job } = await made(ground, deployment, 'exit 0')
      const renewed = ground.open(deployment, {}, () => tokens.shift() ?? site.token)
      expect((await run(renewed, job)).end).toMatchObject({ reason: 'Completed' })
    })
  })

  test('a list that cannot be had is unknown for each of many looks', async () => {
    const ref = JSON.stringify({ id: 1, name: `x.${deployment}`, submitTime: 1, user })
    const refs = Array.from({ length: 70 }, (_, index) => ref.replace('"id":1', `"id":${index + 1}`))
    const seen = await ground.open(deployment, { url: 'http://127.0.0.1:1' }).observe(refs, call())
    expect(seen.map(({ kind }) => kind)).toEqual(Array(70).fill('unknown'))
  })

  describe('scancel by someone else', () => {
    test('of a held job: withdrawn, and no release brings it back', async () => {
      const { job, output } = await made(ground, deployment, 'exit 0')
      const ref = await backend.create(job, undefined, call())
      slurm('scancel', idOf(ref))
      expect(await ended(backend, ref)).toMatchObject({ phase: 'withdrawn' })
      await backend.release(ref, 1, call())
      await delay(1500)
      expect(await output('runs')).toBe('')
    })

    test('of a pending job: withdrawn', async () => {
      const { job } = await made(ground, deployment, 'exit 0', { limits: { memory: 99_999_999 } })
      const ref = await backend.create(job, undefined, call())
      await backend.release(ref, 1, call())
      expect(await until(() => look(backend, ref), phase('waiting'))).toBeTruthy()
      slurm('scancel', idOf(ref))
      expect(await ended(backend, ref)).toMatchObject({ phase: 'withdrawn' })
    })

    test('of a running job: an end of its own kind, never a success', async () => {
      const { job } = await made(ground, deployment, 'sleep 600')
      const ref = await backend.create(job, undefined, call())
      await backend.release(ref, 1, call())
      await until(() => look(backend, ref), phase('running'))
      slurm('scancel', idOf(ref))
      expect(await ended(backend, ref)).toMatchObject({ reason: 'StoppedOutside' })
    })

    test('a hold by an administrator is a wait, which a release leaves alone', async () => {
      const { job } = await made(ground, deployment, 'exit 0')
      const ref = await backend.create(job, undefined, call())
      slurm('scontrol', 'hold', idOf(ref))
      expect(await look(backend, ref)).toMatchObject({ phase: 'waiting', message: expect.stringMatching(/administrator/) as string })
      await backend.release(ref, 1, call())
      slurm('scontrol', 'release', idOf(ref))
      expect(await ended(backend, ref)).toMatchObject({ reason: 'Completed' })
    })

    test('SLURM does not put a job back into the queue, not even for an administrator', async () => {
      const { job, output } = await made(ground, deployment, 'sleep 2')
      const ref = await backend.create(job, undefined, call())
      await backend.release(ref, 1, call())
      await until(() => look(backend, ref), phase('running'))
      expect(() => slurm('scontrol', 'requeue', idOf(ref))).toThrow()
      expect(await ended(backend, ref)).toMatchObject({ reason: 'Completed' })
      expect(await output('runs')).toBe('run\n')
    })
  })

  test('an id that another job has got by now: not seen, not released, not stopped, not removed, and its log not read', async () => {
    const { job, output } = await made(ground, deployment, 'exit 0')
    const ref = await backend.create(job, undefined, call())
    const parts = JSON.parse(ref) as { id: number; name: string; submitTime: number; user: string }
    const others = [{ submitTime: parts.submitTime - 5 }, { name: `other.${deployment}` }, { user: 'someone' }]
    for (const other of others.map((change) => JSON.stringify({ ...parts, ...change }))) {
      expect(await look(backend, other)).toEqual({ kind: 'absent' })
      await backend.release(other, 1, call())
      expect(await backend.stop(other, call())).toBe('gone')
      expect(await backend.remove(other, call())).toBe('gone')
      await expect(backend.logs(other, { tailLines: 1, maxBytes: 1 }, call())).rejects.toThrow()
    }
    await delay(1000)
    expect(await look(backend, ref)).toEqual({ kind: 'inert' })
    expect(await output('runs')).toBe('')
  })

  test('shell in every field reaches neither the node nor the server', async () => {
    const mark = join(ground.root, 'storebase', 'pwned')
    const evil = `'; touch ${mark}; "$(touch ${mark})" \`touch ${mark}\` \\`
    // A path cannot have a slash in a name.
    const place = `x'; touch pwned; "$(touch pwned)" \`touch pwned\` %j`
    const script = 'printf %s "$EVIL" >/share/outgoing/seen'
    const { job, output } = await made(ground, deployment, script, { place, spec: { image: evil, auid: evil } })
    const launch = `${ground.root}/enter ${ground.root}/root {input} {output} env IMAGE={image} {command}`
    const owner = { ...job.owner, jid: evil, specHash: evil }
    const words = [...job.argv.slice(0, 2), `${job.argv[2] ?? ''}\nprintf %s "$IMAGE" >/share/outgoing/image`]
    const { end } = await run(ground.open(deployment, { launch }), { ...job, owner, argv: words, env: [`EVIL=${evil}`], siteLabels: { x: evil } })
    expect(end).toMatchObject({ reason: 'Completed' })
    expect([await output('seen'), await output('image')]).toEqual([evil, evil])
    for (const path of [mark, '/tmp/pwned', join(ground.logs, 'pwned')]) await expect(access(path)).rejects.toThrow()
    expect((await listed())[0]?.labels).toEqual(owner)
  })

  test('a symbolic link that leads out of the storebase stops the job on its node', async () => {
    const { job, place, output } = await made(ground, deployment, 'exit 0')
    await symlink('/etc', join(ground.storebase, place, 'link'))
    const mounts = job.spec.mounts.map((mount) => (mount.readOnly ? { ...mount, source: `${place}/link` } : mount))
    const { ref, end } = await run(ground.open(deployment, { seesStorebase: false }), { ...job, spec: { ...job.spec, mounts } })
    expect(end).toMatchObject({ reason: 'NonZeroExit', exitCode: NO_DIRECTORY })
    expect(await logOf(backend, ref)).toMatch(/input directory is not there on this node, or leads out/)
    expect(await output('runs')).toBe('')
  })

  test('workers run side by side, each with its own number, and one that fails fails the job', async () => {
    const launch = `${ground.root}/enter ${ground.root}/root {input} {output} env WORKER=$SLURM_PROCID {command}`
    const script = 'echo "$WORKER" >>/share/outgoing/workers; [ "$WORKER" != 1 ] || exit 9'
    const { job, output } = await made(ground, deployment, script, { spec: { workers: 3 }, limits: { memory: 100, cpu: 1000 } })
    const { end } = await run(ground.open(deployment, { launch }), job)
    expect((await output('workers')).split('\n').filter(Boolean).sort()).toEqual(['0', '1', '2'])
    expect(end).toMatchObject({ reason: 'NonZeroExit', exitCode: 9 })
  })

  test('an output that cannot be opened is a start that failed', async () => {
    await mkdir(join(ground.root, 'closed'), { mode: 0o700, recursive: true })
    const { job, output } = await made(ground, deployment, 'exit 0')
    const { end } = await run(ground.open(deployment, { directory: join(ground.root, 'closed') }), job)
    expect(end).toMatchObject({ reason: 'StartFailed' })
    expect(await output('runs')).toBe('')
  })

  describe('answers that are lost', () => {
    test('of a submission: what it made is held, listed with its owner, and only the job that was committed runs', async () => {
      const proxy = await proxyTo(url)
      const through = ground.open(deployment, { url: proxy.url })
      const { job, output } = await made(ground, deployment, 'exit 0')
      proxy.cut(/POST .*\/submit/, 'after')
      await expect(through.create(job, undefined, call())).rejects.not.toBeInstanceOf(EngineRejected)
      const ref = await through.create(job, undefined, call())
      const both = await backend.find(job.engineName, call())
      expect(both.map(({ observation, labels }) => [observation.kind, labels])).toEqual(Array(2).fill(['inert', job.owner]))
      await through.release(ref, 1, call())
      expect(await ended(backend, ref)).toMatchObject({ reason: 'Completed' })
      await delay(1500)
      expect(await output('runs')).toBe('run\n')
      await proxy.close()
    })

    test.each(['before', 'after'] as const)('of a release, %s it was heard: the next attempt is safe, and it runs once', async (when) => {
      const proxy = await proxyTo(url)
      const through = ground.open(deployment, { url: proxy.url })
      const { job, output } = await made(ground, deployment, 'exit 0')
      const ref = await through.create(job, undefined, call())
      proxy.cut(/POST .*\/job\/\d+/, when)
      await expect(through.release(ref, 1, call())).rejects.toThrow()
      await through.release(ref, 2, call())
      expect(await ended(backend, ref)).toMatchObject({ reason: 'Completed' })
      await delay(1000)
      expect(await output('runs')).toBe('run\n')
      await proxy.close()
    })

    test('of a cancel: asked again, it is gone', async () => {
      const proxy = await proxyTo(url)
      const through = ground.open(deployment, { url: proxy.url })
      const { job } = await made(ground, deployment, 'exit 0')
      const ref = await through.create(job, undefined, call())
      proxy.cut(/DELETE/, 'after')
      await expect(through.stop(ref, call())).rejects.toThrow()
      expect(await through.stop(ref, call())).toBe('gone')
      await proxy.close()
    })
  })

  describe('without a shared file system', () => {
    const lines = (count: number) =>
      `i=0; while [ $i -lt ${count} ]; do echo "line $i of the log, $(head -c 9 /dev/urandom | base64)"; i=$((i+1)); done`
    test.each<[string, string, object]>([
      ['a short log, whole', 'echo hello; echo problem >&2; exit 3', { reason: 'NonZeroExit', exitCode: 3 }],
      ['of a long one the end', lines(2000), { reason: 'Completed' }],
    ])('the log is in the comment: %s', async (name, script, expected) => {
      const bare = ground.open(deployment, { directory: undefined })
      const { job } = await made(ground, deployment, script)
      const ref = await bare.create(job, undefined, call())
      expect((await bare.find(job.engineName, call()))[0]?.labels).toEqual(job.owner)
      await bare.release(ref, 1, call())
      expect(await ended(bare, ref)).toMatchObject(expected)
      const { bytes, truncated } = await bare.logs(ref, { tailLines: 1000, maxBytes: 1 << 20 }, call())
      const text = Buffer.from(bytes).toString()
      if (name.startsWith('a short')) expect([text, truncated]).toEqual(['hello\nproblem\n', false])
      else {
        expect(truncated).toBe(true)
        expect(text).toMatch(/line 1999 of the log, .*\n$/)
      }
      // What has ended cannot be marked as removed there: nobody may adopt it.
      expect((await bare.find(job.engineName, call()))[0]).not.toHaveProperty('labels')
    })

    test('a job that is cancelled leaves no process, and what it had said by then', async () => {
      const bare = ground.open(deployment, { directory: undefined })
      const { job, output } = await made(ground, deployment, 'echo begun; while :; do echo tick >>/share/outgoing/ticks; sleep 0.1; done')
      const ref = await bare.create(job, undefined, call())
      await bare.release(ref, 1, call())
      expect(await until(() => logOf(bare, ref), (text) => text !== '')).toBe('begun\n')
      await until(() => bare.stop(ref, call()), (answer) => answer === 'gone')
      const ticks = await output('ticks')
      await delay(1500)
      expect(await output('ticks')).toBe(ticks)
      expect(await logOf(bare, ref)).toBe('begun\n')
    })
  })
})
