import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BackendType } from '../../lib/backends/index.ts'
import type { ComputeSettings } from '../../lib/jobs/core.ts'
import type { JobKey, JobSpec } from '../../lib/jobs/types.ts'
import { ANYONE, testGateway, type Gateway } from '../support/gateway.ts'
import { skip } from '../support/skip.ts'
import { call, Deployment, onGateway, SETTLED } from './engines.ts'

/** What the engines' objects are asked for; each word is found at its own place of each engine's own object. */
interface View {
  image: string
  env: string[]
  user: string
  labels: Record<string, string>
  /** Bytes; 0 or absent: none. */
  memory: number | undefined
  /** 10^-9 CPUs. */
  cpus: number | undefined
  shm: number | undefined
  mounts: { source: string; target: string; readOnly: boolean }[]
  unprivileged: { capDrop: unknown; noNewPrivileges: boolean | undefined }
}

interface Container {
  Config: { Image: string; Env: string[]; User: string; Labels: Record<string, string> }
  HostConfig: { Memory: number; MemorySwap: number; NanoCpus: number; CpuQuota: number; CpuPeriod: number; ShmSize: number; CapDrop: string[]; SecurityOpt: string[] }
  Mounts: { Source: string; Destination: string; RW: boolean }[]
}
interface Service {
  Spec: {
    TaskTemplate: {
      ContainerSpec: {
        Image: string
        Env: string[]
        User?: string
        Labels: Record<string, string>
        CapabilityDrop: string[]
        Mounts?: { Type: string; Source: string; Target: string; ReadOnly?: boolean; TmpfsOptions?: { SizeBytes: number } }[]
      }
      Resources?: { Limits?: { MemoryBytes?: number; NanoCPUs?: number } }
    }
  }
}

function container(object: unknown): View {
  const { Config, HostConfig, Mounts } = object as Container
  // Podman tells a quota, as it was asked for.
  const quota = HostConfig.CpuPeriod > 0 ? (HostConfig.CpuQuota / HostConfig.CpuPeriod) * 1e9 : 0
  return {
    image: Config.Image,
    env: Config.Env,
    user: Config.User,
    labels: Config.Labels,
    memory: HostConfig.Memory,
    cpus: HostConfig.NanoCpus || quota,
    shm: HostConfig.ShmSize,
    mounts: Mounts.map(({ Source, Destination, RW }) => ({ source: Source, target: Destination, readOnly: !RW })),
    unprivileged: { capDrop: HostConfig.CapDrop, noNewPrivileges: HostConfig.SecurityOpt.some((option) => option.startsWith('no-new-privileges')) },
  }
}

function service(object: unknown): View {
  const { ContainerSpec, Resources } = (object as Service).Spec.TaskTemplate
  const mounts = ContainerSpec.Mounts ?? []
  return {
    image: ContainerSpec.Image,
    env: ContainerSpec.Env,
    user: ContainerSpec.User ?? '',
    labels: ContainerSpec.Labels,
    memory: Resources?.Limits?.MemoryBytes,
    cpus: Resources?.Limits?.NanoCPUs,
    shm: mounts.find(({ Target }) => Target === '/dev/shm')?.TmpfsOptions?.SizeBytes,
    mounts: mounts.filter(({ Type }) => Type === 'bind').map(({ Source, Target, ReadOnly = false }) => ({ source: Source, target: Target, readOnly: ReadOnly })),
    // Services know no-new-privileges from API 1.44 on.
    unprivileged: { capDrop: ContainerSpec.CapabilityDrop, noNewPrivileges: undefined },
  }
}

const VIEWS: Partial<Record<BackendType, (object: unknown) => View>> = { docker: container, podman: container, swarm: service }

const MIB = 1024 * 1024
const LIMITS: Partial<JobSpec> = { cpuLimit: 1000, memoryLimit: 200 }

interface Row {
  setting: string
  variables: Record<string, string>
  asked?: Partial<JobSpec>
  right: (view: View, root: string) => void
}

const inRange = (user: string, [least, greatest]: readonly [number, number]): void => {
  const id = Number(user)
  expect(id).toBeGreaterThanOrEqual(least)
  expect(id).toBeLessThanOrEqual(greatest)
}

/** pman's settings, as its operators bring them along, and what must be seen of each on the engine's own object. */
const ROWS: readonly Row[] = [
  {
    setting: 'nothing set: no limits, no root rights beyond the image’s user',
    variables: {},
    right: ({ memory, cpus, user, unprivileged }) => {
      expect([memory ?? 0, cpus ?? 0, user]).toEqual([0, 0, ''])
      expect(unprivileged.noNewPrivileges ?? true).toBe(true)
      // Podman tells of the usual ones, one by one.
      expect(unprivileged.capDrop).toEqual(expect.arrayContaining([expect.stringMatching(/^(ALL|CHOWN)$/)]))
    },
  },
  {
    setting: 'the limits of a request',
    variables: {},
    asked: LIMITS,
    right: ({ memory, cpus }) => expect([memory, cpus]).toEqual([200 * MIB, 1e9]),
  },
  { setting: 'IGNORE_LIMITS', variables: { IGNORE_LIMITS: 'yes' }, asked: LIMITS, right: ({ memory, cpus }) => expect([memory ?? 0, cpus ?? 0]).toEqual([0, 0]) },
  { setting: 'CONTAINER_USER', variables: { CONTAINER_USER: '1234:5678' }, right: ({ user }) => expect(user).toBe('1234:5678') },
  {
    setting: 'CONTAINER_USER as ranges',
    variables: { CONTAINER_USER: '1000-1009:2000-2009' },
    right: ({ user }) => {
      const [uid = '', gid = ''] = user.split(':')
      inRange(uid, [1000, 1009])
      inRange(gid, [2000, 2009])
    },
  },
  {
    setting: 'SECURITYCONTEXT_RUN_AS_USER and _GROUP',
    variables: { SECURITYCONTEXT_RUN_AS_USER: '1234', SECURITYCONTEXT_RUN_AS_GROUP: '5678' },
    right: ({ user }) => expect(user).toBe('1234:5678'),
  },
  {
    setting: 'ENABLE_HOME_WORKAROUND',
    variables: { ENABLE_HOME_WORKAROUND: 'yes' },
    asked: { env: ['A=b'] },
    right: ({ env }) => expect(env.filter((entry) => /^(HOME|A)=/.test(entry)).sort()).toEqual(['A=b', 'HOME=/tmp']),
  },
  { setting: 'SHM_SIZE', variables: { SHM_SIZE: '64' }, right: ({ shm }) => expect(shm).toBe(64 * MIB) },
  {
    setting: 'JOB_LABELS',
    variables: { JOB_LABELS: 'org.example.site=a,team=b' },
    right: ({ labels }) => expect(labels).toMatchObject({ 'org.example.site': 'a', team: 'b', 'pman-serverless.jid': 'job-1' }),
  },
  {
    setting: 'STORAGE_TYPE=host and STOREBASE',
    variables: {},
    asked: {
      mounts: [
        { field: 'input_dir', source: 'job/in', target: '/share/incoming', readOnly: true },
        { field: 'output_dir', source: 'job/out', target: '/share/outgoing', readOnly: false },
      ],
    },
    right: ({ mounts }, root) =>
      expect(mounts).toEqual(
        expect.arrayContaining([
          { source: join(root, 'job/in'), target: '/share/incoming', readOnly: true },
          { source: join(root, 'job/out'), target: '/share/outgoing', readOnly: false },
        ]),
      ),
  },
  {
    setting: 'input_dir and output_dir may be one directory',
    variables: {},
    asked: {
      mounts: [
        { field: 'input_dir', source: 'job/in', target: '/share/incoming', readOnly: true },
        { field: 'output_dir', source: 'job/in', target: '/share/outgoing', readOnly: false },
      ],
    },
    right: ({ mounts }, root) => expect(mounts.filter(({ source }) => source === join(root, 'job/in')).map(({ target }) => target).sort()).toEqual(['/share/incoming', '/share/outgoing']),
  },
]

if (SETTLED.length === 0) skip('pman’s settings on real engines', 'no engine was told of: npm run test:engines -- docker podman')

for (const engine of SETTLED) {
  const view = VIEWS[engine.type]
  describe(`pman’s settings on ${engine.type}`, () => {
    const deployment = new Deployment(engine)
    beforeAll(() => ['job/in', 'job/out'].forEach((name) => mkdirSync(join(deployment.root, name), { recursive: true })))
    afterAll(() => deployment.close(), 60_000)

    test.each(ROWS.map((row) => [row.setting, row] as const))('%s', async (_, { variables, asked, right }) => {
      const seen = await deployment.object(variables, asked)
      if (view === undefined) throw new Error('this engine has no view')
      right(view(seen), deployment.root)
    }, 60_000)

    test('two jobs of one deployment have each setting once', async () => {
      const variables = { ENABLE_HOME_WORKAROUND: 'yes' }
      const seen = [await deployment.object(variables), await deployment.object(variables)].map(view ?? container)
      for (const { env } of seen) expect(env.filter((entry) => entry.startsWith('HOME='))).toEqual(['HOME=/tmp'])
    }, 60_000)
  })
}

/** What the service does with its settings, on each engine: a whole life of a job. */
for (const engine of SETTLED) {
  describe(`the service’s settings on ${engine.type}`, () => {
    const key = (jid: string): JobKey => ({ compute: 'here', jid })
    const onEngine = async (settings: Partial<ComputeSettings>, act: (gateway: Gateway) => Promise<void>): Promise<void> => {
      const gateway = await testGateway(settings, { reconcileAfter: 1 }, onGateway(engine))
      gateway.dispatches = true
      try {
        await act(gateway)
      } finally {
        await gateway.stop()
      }
    }

    test('JOB_LOGS_TAIL', () =>
      onEngine({ logsTail: 2 }, async (gateway) => {
        await gateway.service.submit(ANYONE, key('tail'), gateway.script(key('tail'), 'for i in 1 2 3 4; do echo "line $i"; done'))
        await gateway.until(key('tail'), 'succeeded')
        const { log } = await gateway.service.status(ANYONE, key('tail'))
        expect(Buffer.from(log).toString()).toBe('line 3\nline 4\n')
      }), 60_000)

    test('REMOVE_JOBS=no: DELETE stops the job, frees the jid, and leaves the object at the engine', () =>
      onEngine({ removeJobs: false }, async (gateway) => {
        const { service, core } = gateway
        await service.submit(ANYONE, key('kept'), gateway.script(key('kept'), 'exit 3'))
        const { ref = '' } = await gateway.until(key('kept'), 'failed')
        await service.delete(ANYONE, key('kept'))
        await gateway.cleanup()
        await expect(service.status(ANYONE, key('kept'))).rejects.toThrow(/there is no job/)
        expect(await (await core.backend('here')).observe([ref], call())).toMatchObject([{ phase: 'ended', exitCode: 3 }])
        await service.submit(ANYONE, key('kept'), gateway.script(key('kept'), 'exit 0'))
        expect(await gateway.until(key('kept'), 'succeeded')).toMatchObject({ generation: 2 })
        expect(gateway.runs(key('kept'))).toBe(2)
      }), 60_000)

    test('TIMELIMIT_MINUTES, and a shorter limit of the request: the job is ended, and says why', () =>
      onEngine({ timeLimitMinutes: 1 }, async (gateway) => {
        const script = 'trap "exit 9" TERM; while :; do sleep 0.1; done'
        await gateway.service.submit(ANYONE, key('site'), gateway.script(key('site'), script))
        await gateway.service.submit(ANYONE, key('own'), gateway.script(key('own'), script, { timeLimit: 20 }))
        for (const jid of ['site', 'own']) await gateway.until(key(jid), 'running')
        gateway.ahead = 30_000
        await gateway.cleanup()
        expect(await gateway.until(key('own'), 'timed_out')).toMatchObject({ reason: 'TimeLimit' })
        expect(await gateway.record(key('site'))).toMatchObject({ state: 'running' })
        gateway.ahead = 70_000
        await gateway.cleanup()
        expect(await gateway.until(key('site'), 'timed_out')).toMatchObject({ reason: 'TimeLimit' })
      }), 120_000)
  })
}
