import { jest } from '@jest/globals'
import { call, refusal } from '../../contract/backend/bench.ts'
import type { Wish } from '../../contract/backend/bench.ts'
import { describeOnDocker } from './engine.ts'
import type { Inspected } from './engine.ts'

jest.setTimeout(60_000)

describeOnDocker('what a container is given, on Docker', ({ bench, api, open, inspect }) => {
  const objectOf = async (wish: Wish, options?: Readonly<Record<string, unknown>>): Promise<Inspected> => {
    const driver = options === undefined ? bench.backend : open(options)
    const object = await inspect(await bench.create(await bench.trial('exit 0', wish), driver))
    if (object === undefined) throw new Error('there is no container')
    return object
  }

  const host: [setting: string, wish: Wish, options: Readonly<Record<string, unknown>> | undefined, part: object][] = [
    ['memory_limit, without swap beyond it', { memory: 200 }, undefined, { Memory: 209_715_200, MemorySwap: 209_715_200 }],
    ['no memory_limit', {}, undefined, { Memory: 0, MemorySwap: 0 }],
    ['cpu_limit', { cpu: 1500 }, undefined, { NanoCpus: 1_500_000_000 }],
    ['no cpu_limit', {}, undefined, { NanoCpus: 0 }],
    ['SHM_SIZE', { shmSizeMiB: 64 }, undefined, { ShmSize: 67_108_864 }],
    ['gpu_limit', { gpu: 2 }, undefined, { DeviceRequests: [{ Driver: 'nvidia', Count: 2, DeviceIDs: null, Capabilities: [['gpu']], Options: {} }] }],
    ['no gpu_limit', {}, undefined, { DeviceRequests: null }],
    ['the pids limit', {}, undefined, { PidsLimit: 4096 }],
    ['pidsLimit', {}, { pidsLimit: 77 }, { PidsLimit: 77 }],
    ['no capabilities', {}, undefined, { CapDrop: ['ALL'], CapAdd: null }],
    ['capabilities', {}, { capabilities: ['CHOWN'] }, { CapDrop: ['ALL'], CapAdd: ['CHOWN'] }],
    ['no new privileges', {}, undefined, { SecurityOpt: ['no-new-privileges'], Privileged: false }],
    ['no namespace of the host\'s', {}, undefined, { NetworkMode: 'default', IpcMode: 'private', PidMode: '', UTSMode: '', UsernsMode: '' }],
    ['network', {}, { network: 'none' }, { NetworkMode: 'none' }],
    ['no restart, no removal by itself', {}, undefined, { RestartPolicy: { Name: 'no', MaximumRetryCount: 0 }, AutoRemove: false }],
    ['a log that is bounded', {}, undefined, { LogConfig: { Type: 'local', Config: { 'max-size': '64m', 'max-file': '2', compress: 'false' } } }],
    ['log', {}, { log: { driver: 'json-file', options: { 'max-size': '1m' } } }, { LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } } }],
    ['init', {}, { init: 'yes' }, { Init: true }],
  ]
  test.each(host)('%s', async (_setting, wish, options, part) => {
    expect((await objectOf(wish, options)).HostConfig).toMatchObject(part)
  })

  test('user and primary group, labels, no terminal, and argv alone', async () => {
    const siteLabels = { 'site.unit': 'a=b,c', 'pman-serverless.deployment': 'somebody' }
    const object = await objectOf({ user: { uid: 1001, gid: 2002 }, siteLabels, argv: ['sh', '-c', 'exit 0', ''] })
    expect(object.Config).toMatchObject({ User: '1001:2002', Tty: false, Entrypoint: ['sh'], Cmd: ['-c', 'exit 0', ''] })
    expect(object.Config.Labels).toEqual({
      'site.unit': 'a=b,c',
      'pman-serverless.deployment': bench.deployment,
      'pman-serverless.compute': 'contract',
      'pman-serverless.jid': expect.stringContaining('jid of ') as string,
      'pman-serverless.generation': '3',
      'pman-serverless.spec-hash': 'a1b2c3',
      'pman-serverless.engine-name': object.Name.slice(1),
    })
  })

  test('more CPUs than the host has: all of them, and a message that says so', async () => {
    const { json } = await api.call({ method: 'GET', path: '/info', signal: AbortSignal.timeout(10_000) })
    const cpus = (json as { NCPU: number }).NCPU
    const trial = await bench.trial('exit 0', { cpu: cpus * 1000 + 1 })
    const { ref, end } = await bench.run(trial)
    expect((await inspect(ref))?.HostConfig.NanoCpus).toBe(cpus * 1_000_000_000)
    expect(end).toMatchObject({ exitCode: 0, message: `cpu_limit: ${cpus * 1000 + 1}m is more than the engine's host has; it gets all of its ${cpus * 1000}m` })
  })

  test('as many CPUs as the host has are not remarked on', async () => {
    const { ref, end } = await bench.run(await bench.trial('exit 0', { cpu: 1000 }))
    expect((await inspect(ref))?.HostConfig.NanoCpus).toBe(1_000_000_000)
    expect(end.message).toBeUndefined()
  })

  test('less of a CPU than a kernel can give: the least there is, and a message that says so', async () => {
    const { ref, end } = await bench.run(await bench.trial('exit 0', { cpu: 1 }))
    expect((await inspect(ref))?.HostConfig.NanoCpus).toBe(10_000_000)
    expect(end).toMatchObject({ exitCode: 0, message: 'cpu_limit: 1m is less than the engine can give; it gets 10m' })
  })

  test('a memory_limit below what the engine takes is refused by its field, in the engine\'s words', async () => {
    const { job } = await bench.trial('exit 0', { memory: 1 })
    const refused = await refusal(bench.backend.create(job, undefined, call()))
    expect(refused.fields).toEqual({ memory_limit: expect.stringContaining('Minimum memory limit') as string })
    expect(await bench.backend.find(job.engineName, call())).toEqual([])
  })

  test('a limit that was the site\'s is not held against the request', async () => {
    const { job } = await bench.trial('exit 0', { memory: 1 })
    const asked = { ...job, spec: { ...job.spec, memoryLimit: 0 } }
    expect((await refusal(bench.backend.create(asked, undefined, call()))).fields).toBeUndefined()
  })

  test('/dev/shm has the size, and the job the limits, that it was given', async () => {
    const script = `df -k /dev/shm | tail -1 >/share/outgoing/shm; ulimit -a >/dev/null; grep -E 'CapEff|NoNewPrivs' /proc/self/status >/share/outgoing/caps`
    const trial = await bench.trial(script, { shmSizeMiB: 64 })
    expect((await bench.run(trial)).end.exitCode).toBe(0)
    expect((await trial.output('shm')).toString()).toMatch(/\s65536\s/)
    expect((await trial.output('caps')).toString()).toMatch(/CapEff:\s+0000000000000000\s+NoNewPrivs:\s+1/)
  })
})
