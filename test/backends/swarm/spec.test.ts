import { optionProblems, parseOptions } from '../../../lib/backends/swarm/options.ts'
import { prefixed } from '../../../lib/backends/swarm/logs.ts'
import { partsOf } from '../../../lib/backends/swarm/services.ts'
import { cpuLimit, serviceSpec } from '../../../lib/backends/swarm/spec.ts'
import type { EngineJob } from '../../../lib/backends/contract.ts'

const job: EngineJob = {
  engineName: 'job-abc',
  owner: { deployment: 'd', compute: 'c', jid: 'j', generation: 2, specHash: 'h' },
  spec: {
    image: 'local/x:1',
    entrypoint: ['sh'],
    args: [],
    env: [],
    mounts: [],
    workers: 3,
    cpuLimit: 0,
    memoryLimit: 0,
    gpuLimit: 0,
    timeLimit: 0,
    auid: 'a',
  },
  argv: ['sh', '-c', '{{.Task.Slot}}'],
  env: ['A={{x}}=y', 'B='],
  limits: { cpu: 0, memory: 0, gpu: 0, time: 0 },
  siteLabels: { site: 'yes', 'pman-serverless.released': 'not ours' },
}
const facts = { image: 'docker.io/local/x:1', mounts: [], api: '1.41', cpu: { nano: 0, constraints: [] } }
const options = parseOptions({})

test('a job that asks for nothing', () => {
  expect(serviceSpec(job, facts, options)).toEqual({
    Name: 'job-abc',
    Labels: { ...OWNER, site: 'yes', 'pman-serverless.workers': '3' },
    TaskTemplate: {
      ContainerSpec: {
        Image: 'docker.io/local/x:1',
        Labels: { ...OWNER, site: 'yes' },
        Command: ['sh', '-c', '{{.Task.Slot}}'],
        Env: ['A={{"{{"}}x}}=y', 'B=', 'NUMBER_OF_WORKERS=3', expect.stringMatching(/^PMAN_WORKER_INDEX=\{\{.*\}\}$/) as string],
        Healthcheck: { Test: ['NONE'] },
        TTY: false,
        Mounts: [],
        StopGracePeriod: 10_000_000_000,
        CapabilityDrop: ['ALL'],
      },
      RestartPolicy: { Condition: 'none' },
      Resources: { Limits: { Pids: 4096 }, Reservations: {} },
      LogDriver: { Name: 'local', Options: { 'max-size': '64m', 'max-file': '2', compress: 'false' } },
    },
    Mode: { Replicated: { Replicas: 0 } },
  })
})

const OWNER = {
  'pman-serverless.deployment': 'd',
  'pman-serverless.compute': 'c',
  'pman-serverless.jid': 'j',
  'pman-serverless.generation': '2',
  'pman-serverless.spec-hash': 'h',
  'pman-serverless.engine-name': 'job-abc',
}

test('a job that asks for everything', () => {
  const all = { ...job, limits: { cpu: 1500, memory: 200, gpu: 2, time: 60 }, user: { uid: 1000, gid: 1001 }, shmSizeMiB: 64 }
  const own = { reserve: true, constraints: ['node.labels.zone==a'], gpuResource: 'GPU' }
  const site = parseOptions({ ...own, network: 'jobs', init: true, capabilities: ['CHOWN'], stopGrace: 3 })
  const mounts = [{ Type: 'bind', Source: '/srv/{{a', Target: '/share', ReadOnly: true }] as const
  const cpu = { nano: 1_500_000_000, constraints: ['node.id!=x'], note: 'less' }
  expect(serviceSpec(all, { ...facts, api: '1.44', cpu, mounts }, site)).toMatchObject({
    Labels: { 'pman-serverless.note': 'less' },
    TaskTemplate: {
      ContainerSpec: {
        User: '1000:1001',
        Init: true,
        Mounts: [
          { Type: 'bind', Source: '/srv/{{"{{"}}a', Target: '/share', ReadOnly: true },
          { Type: 'tmpfs', Target: '/dev/shm', TmpfsOptions: { SizeBytes: 67_108_864, Mode: 0o1777 } },
        ],
        StopGracePeriod: 3_000_000_000,
        CapabilityAdd: ['CHOWN'],
        Privileges: { NoNewPrivileges: true },
      },
      Resources: {
        Limits: { NanoCPUs: 1_500_000_000, MemoryBytes: 209_715_200, Pids: 4096 },
        Reservations: {
          NanoCPUs: 1_500_000_000,
          MemoryBytes: 209_715_200,
          GenericResources: [{ DiscreteResourceSpec: { Kind: 'GPU', Value: 2 } }],
        },
      },
      Placement: { Constraints: ['node.labels.zone==a', 'node.id!=x'] },
      Networks: [{ Target: 'jobs' }],
    },
  })
})

test('what the caller says of the workers is not changed', () => {
  const said = ['NUMBER_OF_WORKERS=many', 'PMAN_WORKER_INDEX=x']
  expect(serviceSpec({ ...job, env: said }, facts, options)).toMatchObject({ TaskTemplate: { ContainerSpec: { Env: said } } })
})

const node = (ID: string, cpus: number, more: object = {}) => ({ ID, Description: { Resources: { NanoCPUs: cpus * 1e9 } }, ...more })
test.each([
  ['what every node has', 2000, { nano: 2e9, constraints: [] }],
  ['what one node has', 3000, { nano: 3e9, constraints: ['node.id!=small'] }],
  [
    'more than any has',
    9000,
    { nano: 4e9, constraints: ['node.id!=small'], note: 'cpu_limit: 9000m is more than any node has; it gets 4000m' },
  ],
])('a limit of CPUs that is %s', (_name, asked, expected) => {
  const away = [node('drained', 16, { Spec: { Availability: 'drain' } }), node('down', 16, { Status: { State: 'down' } })]
  expect(cpuLimit(asked, [node('small', 2), node('large', 4), ...away])).toEqual(expected)
})

test('a limit of CPUs where no node is told', () => {
  expect(cpuLimit(9000, [])).toEqual({ nano: 9e9, constraints: [] })
})

test.each([
  [{ constraints: ['node.role==manager'], reserve: true }, []],
  [{ constraints: ['anywhere'] }, ['options.constraints.0: must be like node.labels.zone==a or node.role!=manager']],
  [{ network: 'host' }, [expect.stringContaining('options.network: must not be host')]],
  [{ pull: 'always' }, ['options.pull: there is no such setting']],
  [
    { gpuResource: 'a b', reserve: 'x', stopGrace: -1 },
    ['options.stopGrace', 'options.reserve', 'options.gpuResource'].map((option) => expect.stringContaining(option) as string),
  ],
])('the options %j', (given, problems) => {
  expect(optionProblems(given)).toEqual(problems)
})

const ID = 'x'.repeat(25)
test.each(['', ID, `${ID.slice(1)}.job`, `${ID}.`, `${ID}.a/b`, `../${ID.slice(3)}.job`, `${ID}.job\n`, `${ID.toUpperCase()}.job`])(
  'a ref that this driver never gave: %j',
  (ref) => {
    expect(partsOf(ref)).toBeUndefined()
  },
)

test('a ref', () => {
  expect(partsOf(`${ID}.job-1`)).toEqual({ id: ID, engineName: 'job-1' })
})

test.each([
  ['', ''],
  ['a\nb\n', 'w: a\nw: b\n'],
  ['\n\nlast', 'w: \nw: \nw: last\n'],
])('the prefix of %j', (text, expected) => {
  expect(Buffer.from(prefixed(Buffer.from(text), 'w: ')).toString()).toBe(expected)
})
