import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import type { Observation } from '../../../lib/backends/contract.ts'
import { call, refusal } from '../../contract/backend/bench.ts'
import { describeIf } from '../../support/skip.ts'
import { pushImage, registryMissing, startRegistry } from '../../support/registry.ts'
import type { Registry } from '../../support/registry.ts'
import { describeOnSwarm } from './engine.ts'

jest.setTimeout(120_000)

const isEnded = (seen: Observation): boolean => seen.kind === 'state' && seen.phase === 'ended'

describeOnSwarm('what a real swarm says of a job', ({ bench, trial, open, ask, idOf, inspect }) => {
  const message = (pattern: RegExp): string => expect.stringMatching(pattern) as string

  test.each([
    [['/no/such/program'], 'CommandNotFound', 127],
    [['/etc/passwd'], 'NotExecutable', 126],
  ])('%j is %s', async (argv, reason, exitCode) => {
    const { end } = await bench.run(await trial('', { argv }))
    expect(end).toMatchObject({ reason, exitCode, message: message(/starting container failed/) })
  })

  test('a directory that has gone since the create refuses the task, and is not made', async () => {
    const made = await trial('exit 0')
    const ref = await bench.create(made)
    const directory = join(bench.ground.storebase, made.job.engineName)
    await rm(directory, { recursive: true })
    await bench.backend.release(ref, 1, call())
    const end = await bench.end(ref)
    expect(end).toMatchObject({ reason: 'MountRefused', message: message(/path does not exist: what is mounted at \/share\/incoming/) })
    expect(end.message).not.toContain(bench.ground.storebase)
    await mkdir(directory)
    expect(await bench.runsAfterAll(made)).toBe(0)
  })

  test('a mount whose path is a template elsewhere', async () => {
    const made = await trial('exit 4')
    const { job } = made
    const source = `${job.engineName}/{{.Task.ID}}`
    await mkdir(join(bench.ground.storebase, source))
    const mounts = [...job.spec.mounts, { field: 'extra', source, target: '/share/{{x', readOnly: true }]
    const spec = { ...job.spec, mounts }
    const argv = ['sh', '-c', 'test -d "/share/{{x" && exit 6']
    expect((await bench.run({ ...made, job: { ...job, spec, argv } })).end).toMatchObject({ exitCode: 6 })
  })

  test('no room on any node: it waits, in the scheduler\'s words', async () => {
    const crowded = open({ reserve: true })
    const made = await trial('exit 0', { memory: 64 * 1024 * 1024 })
    const ref = await bench.create(made, crowded)
    await crowded.release(ref, 1, call())
    const waits = (one: Observation): boolean => one.kind === 'state' && one.message?.includes('no suitable node') === true
    const seen = await bench.until(() => bench.look(ref), waits)
    expect(seen).toMatchObject({ phase: 'waiting', message: message(/insufficient resources/) })
    await bench.gone('stop', ref)
    expect(await bench.runsAfterAll(made)).toBe(0)
  })

  test.each([
    ['a constraint that no node meets', { constraints: ['node.labels.pman-serverless-none==x'] }, 0, /scheduling constraints/],
    ['a GPU that no node has', {}, 1, /insufficient resources/],
  ])('%s: it waits', async (_name, options, gpu, words) => {
    const picky = open(options)
    const ref = await bench.create(await trial('exit 0', { gpu }), picky)
    await picky.release(ref, 1, call())
    const seen = await bench.until(() => bench.look(ref), (one) => one.kind === 'state' && words.test(one.message ?? ''))
    expect(seen).toMatchObject({ phase: 'waiting' })
  })

  test('more memory than its limit', async () => {
    const { end } = await bench.run(await trial('', { argv: ['tail', '/dev/zero'], memory: 32 }))
    expect(end).toMatchObject({ reason: 'OutOfMemory', exitCode: 137 })
  })

  test('a limit of memory that the swarm does not take names the field', async () => {
    const made = await trial('exit 0', { memory: 1 })
    expect((await refusal(bench.create(made))).fields).toEqual({ memory_limit: message(/at least 4MiB/) })
  })

  test('more CPUs than any node has: it gets what there is, and is told so', async () => {
    const ref = await bench.start(await trial('exit 0', { cpu: 900_000 }))
    const told = message(/^cpu_limit: 900000m is more than any node has; it gets \d+m$/)
    expect(await bench.end(ref)).toMatchObject({ reason: 'Completed', message: told })
    const { Limits } = (await inspect(ref)).Spec.TaskTemplate.Resources as { Limits: { NanoCPUs: number } }
    expect(Limits.NanoCPUs).toBeLessThan(900e9)
  })

  test('user, shared memory, capabilities and processes, as the job finds them', async () => {
    const script = [
      'id -u; id -g',
      'df -m /dev/shm | tail -n 1 | tr -s " " | cut -d " " -f 2',
      'grep CapBnd /proc/self/status | cut -f 2',
      // Of cgroup v2 or of v1.
      'cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null',
    ]
    const ref = await bench.start(await trial(script.join('\n'), { user: { uid: 1234, gid: 2345 }, shmSizeMiB: 32 }))
    await bench.end(ref)
    const { bytes } = await bench.backend.logs(ref, { tailLines: 10, maxBytes: 1000 }, call())
    expect(Buffer.from(bytes).toString()).toBe('1234\n2345\n32\n0000000000000000\n4096\n')
  })

  describe('by the doing of others', () => {
    const RUNS = 'echo x >/share/outgoing/begun; while [ ! -e /share/outgoing/go ]; do sleep 0.1; done'

    test('a service that is removed: stopping, then absent', async () => {
      const made = await trial(`trap '' TERM; ${RUNS}`)
      const ref = await bench.start(made)
      await bench.written(made, 'begun')
      expect((await ask('DELETE', `/services/${idOf(ref)}`)).status).toBe(200)
      expect(await bench.look(ref)).toMatchObject({ kind: 'state', phase: 'stopping' })
      expect(await bench.until(() => bench.look(ref), ({ kind }) => kind === 'absent')).toEqual({ kind: 'absent' })
    })

    test.each([
      ['scaled down', (spec: object) => ({ query: {}, body: { ...spec, Mode: { Replicated: { Replicas: 0 } } } })],
      ['rolled back', (spec: object) => ({ query: { rollback: 'previous' }, body: spec })],
    ])('a service that is %s is never inert again', async (_name, change) => {
      const made = await trial(RUNS)
      const ref = await bench.start(made)
      await bench.written(made, 'begun')
      const { Version, Spec } = await inspect(ref)
      const { query, body } = change(Spec)
      expect((await ask('POST', `/services/${idOf(ref)}/update`, { version: Version.Index, ...query }, body)).status).toBe(200)
      const seen = await bench.until(() => bench.look(ref), isEnded)
      expect(seen).toMatchObject({ reason: 'Evicted', message: message(/scaled/) })
      const before = (await inspect(ref)).Version
      await bench.backend.release(ref, 2, call())
      expect((await inspect(ref)).Version).toEqual(before)
      expect(await bench.runsAfterAll(made)).toBe(1)
    })

    test('a second run of a worker is told', async () => {
      const made = await trial('exit 0')
      const { ref } = await bench.run(made)
      const { Version, Spec } = await inspect(ref)
      const body = { ...Spec, TaskTemplate: { ...Spec.TaskTemplate, ForceUpdate: 1 } }
      expect((await ask('POST', `/services/${idOf(ref)}/update`, { version: Version.Index }, body)).status).toBe(200)
      await bench.until(made.runs, (runs) => runs === 2)
      expect(await bench.end(ref)).toMatchObject({ message: message(/made to run worker 0 2 times/) })
    })
  })

  test('hostile refs name nothing', async () => {
    const made = await trial('exit 0')
    const ref = await bench.create(made)
    const id = idOf(ref)
    const name = made.job.engineName
    const hostile = ['', id, name, `${id.slice(0, 12)}.${name}`, `${id}.${name.slice(0, -1)}`, '../../info', `${id}/../x.y`]
    for (const one of hostile) {
      expect(await bench.look(one)).toEqual({ kind: 'absent' })
      await bench.backend.release(one, 1, call())
      expect(await bench.backend.stop(one, call())).toBe('gone')
      await expect(bench.backend.logs(one, { tailLines: 1, maxBytes: 1 }, call())).rejects.toThrow()
    }
    expect(await bench.look(ref)).toEqual({ kind: 'inert' })
  })

  test('the engine and its part in the swarm are told', async () => {
    expect((await bench.backend.health(call())).version).toMatch(/^Docker .*, API .*, nodes: \d+$/)
  })

  const missing = registryMissing()
  describeIf(missing === undefined, missing ?? '', 'images from real registries', () => {
    const LOGIN = { username: 'pman', password: 'p@ss:word' }
    let closed: Registry
    beforeAll(async () => {
      closed = await startRegistry(LOGIN)
    })
    afterAll(() => closed.stop())
    const secret = (password: string): string => JSON.stringify({ registries: { [closed.host]: { ...LOGIN, password } } })

    test.each([
      ['nobody answers', () => '127.0.0.1:9/x:1', undefined, 'RegistryUnreachable'],
      ['the login is refused', () => `${closed.host}/x:1`, 'wrong', 'ImageRefused'],
      ['there is no login', () => `${closed.host}/x:1`, undefined, 'ImageRefused'],
      ['there is no such image', () => `${closed.host}/x:1`, LOGIN.password, 'ImageNotFound'],
    ])('%s', async (_name, image, password, reason) => {
      const driver = open({}, password === undefined ? undefined : secret(password))
      const ref = await bench.create(await trial('exit 0', { image: image() }), driver)
      await driver.release(ref, 1, call())
      const seen = await bench.until(() => bench.look(ref, driver), isEnded)
      expect(seen).toMatchObject({ reason, message: message(/^No such image: .*; ./) })
      expect(seen).not.toHaveProperty('exitCode', expect.anything())
    })

    test('the nodes are given the login', async () => {
      const { image } = await pushImage(closed.host, { login: LOGIN })
      const driver = open({}, secret(LOGIN.password))
      const ref = await bench.create(await trial('', { image, argv: ['/nothing'] }), driver)
      await driver.release(ref, 1, call())
      // It has no program: that the node says so means that it has the image.
      expect(await bench.until(() => bench.look(ref, driver), isEnded)).toMatchObject({ reason: 'CommandNotFound' })
      await bench.gone('remove', ref, driver)
      await ask('DELETE', `/images/${image}`, { force: 'true' })
    })
  })
})
