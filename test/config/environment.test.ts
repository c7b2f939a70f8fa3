import { configFromEnvironment, loadConfig } from '../../lib/config.ts'
import type { Config, ConfigSources, Environment } from '../../lib/config.ts'
import { DEFAULT_TIMING } from '../../lib/jobs/timing.ts'
import { ALL_ENGINES, NO_SOURCES, problemsOf } from './support.ts'

const LOCAL: Environment = { CONTAINER_ENV: 'local', STOREBASE: '/data', JOBS_TABLE: 'jobs' }

/** As every engine of pman had a driver. */
async function load(env: Environment, sources: Partial<ConfigSources> = {}): Promise<Config> {
  return loadConfig({ ...LOCAL, ...env }, { ...NO_SOURCES, drivers: ALL_ENGINES, ...sources })
}

const only = (config: Config) => config.computes.get(config.defaultCompute)

describe('pman variables build the default compute', () => {
  test('the least: an engine and a storebase', () => {
    const config = configFromEnvironment(LOCAL)
    expect(config.defaultCompute).toBe('local')
    expect([...config.computes.keys()]).toEqual(['local'])
    expect(only(config)).toEqual({
      name: 'local',
      type: 'local',
      storage: { type: 'host', storebase: '/data' },
      homeWorkaround: false,
      labels: {},
      logsTail: 1000,
      ignoreLimits: false,
      removeJobs: true,
      defaults: { cpuLimit: 0, memoryLimit: 0, gpuLimit: 0 },
      options: {},
    })
    expect(config).toMatchObject({ table: 'jobs', tokensSecret: 'pman/tokens', logLevel: 'info', timing: DEFAULT_TIMING, warnings: [] })
  })

  const KUBERNETES = { CONTAINER_ENV: 'kubernetes', STORAGE_TYPE: 'kubernetes_pvc', VOLUME_NAME: 'pvc', STOREBASE: '' }
  const DOCKER = { CONTAINER_ENV: 'docker', STOREBASE: '' }
  const taken: [env: Environment, part: object][] = [
    [{ ...DOCKER }, { type: 'docker', storage: { type: 'docker_local_volume', pfconSelector: 'org.chrisproject.role=pfcon' } }],
    [{ ...DOCKER, CONTAINER_ENV: 'podman', PFCON_SELECTOR: 'a=b' }, { type: 'podman', storage: { pfconSelector: 'a=b' } }],
    [{ ...DOCKER, VOLUME_NAME: 'chris' }, { storage: { type: 'docker_local_volume', volume: 'chris' } }],
    [{ CONTAINER_ENV: 'swarm' }, { type: 'swarm', storage: { type: 'host', storebase: '/data' } }],
    [{ CONTAINER_ENV: 'slurm' }, { type: 'slurm' }],
    [{ STORAGE_TYPE: 'nfs', NFS_SERVER: 'nfs.example' }, { storage: { type: 'nfs', storebase: '/data', nfsServer: 'nfs.example' } }],
    [KUBERNETES, { type: 'kubernetes', storage: { type: 'kubernetes_pvc', volume: 'pvc' } }],
    [{ ...KUBERNETES, CONTAINER_ENV: 'openshift', JOB_NAMESPACE: 'chris' }, { type: 'openshift', options: { namespace: 'chris' } }],
    [{ ...KUBERNETES, NODE_SELECTOR: 'disk=ssd, zone=a' }, { options: { nodeSelector: { disk: 'ssd', zone: 'a' } } }],
    [{ ...KUBERNETES, IMAGE_PULL_SECRETS: 'one, two' }, { options: { imagePullSecrets: ['one', 'two'] } }],
    [{ CONTAINER_ENV: 'cromwell', CROMWELL_URL: 'http://cromwell:8000' }, { options: { url: 'http://cromwell:8000' } }],
    [{ PMAN_LOCAL_DIRECTORY: '/jobs', PMAN_LOCAL_RUNNER: '/r.mjs' }, { options: { directory: '/jobs', runner: '/r.mjs' } }],
    [{ TIMELIMIT_MINUTES: '90' }, { timeLimitMinutes: 90 }],
    [{ CONTAINER_USER: '1000:2000' }, { user: { uid: { least: 1000, greatest: 1000 }, gid: { least: 2000, greatest: 2000 } } }],
    [{ CONTAINER_USER: '10-20:30-40' }, { user: { uid: { least: 10, greatest: 20 }, gid: { least: 30, greatest: 40 } } }],
    [{ CONTAINER_USER: '7-7:0' }, { user: { uid: { least: 7, greatest: 7 }, gid: { least: 0, greatest: 0 } } }],
    [
      { SECURITYCONTEXT_RUN_AS_USER: '5', SECURITYCONTEXT_RUN_AS_GROUP: '6' },
      { user: { uid: { least: 5, greatest: 5 }, gid: { least: 6, greatest: 6 } } },
    ],
    [{ CONTAINER_USER: '5:6', SECURITYCONTEXT_RUN_AS_USER: '5', SECURITYCONTEXT_RUN_AS_GROUP: '6' }, { user: { uid: { least: 5 } } }],
    [{ ENABLE_HOME_WORKAROUND: 'yes' }, { homeWorkaround: true }],
    [{ SHM_SIZE: '64' }, { shmSizeMiB: 64 }],
    [{ JOB_LABELS: 'a=b,chris.org/c=d=e,empty=' }, { labels: { a: 'b', 'chris.org/c': 'd=e', empty: '' } }],
    [{ JOB_LOGS_TAIL: '50' }, { logsTail: 50 }],
    [{ IGNORE_LIMITS: 'TRUE' }, { ignoreLimits: true }],
    [{ REMOVE_JOBS: 'No' }, { removeJobs: false }],
    [{ PMAN_CREDENTIALS_SECRET: 'engines/hpc' }, { credentials: 'engines/hpc' }],
    [{ PMAN_IMAGE_ALLOW_LIST: 'busybox, fnndsc/pl-a' }, { imageAllowList: ['busybox', 'fnndsc/pl-a'] }],
    [{ JOB_LABELS: '', CONTAINER_USER: ' ', SHM_SIZE: '' }, { labels: {} }],
  ]
  test.each(taken)('%j', async (env, part) => {
    expect(only(await load(env))).toMatchObject(part)
  })

  const words: [string, boolean][] = [
    ...['yes', 'YES', 'true', 'True', 'on', 'y', 't', '1'].map((word): [string, boolean] => [word, true]),
    ...['no', 'No', 'false', 'FALSE', 'off', 'n', 'f', '0'].map((word): [string, boolean] => [word, false]),
  ]
  test.each(words)('%s is %s', async (word, value) => {
    expect(only(await load({ REMOVE_JOBS: word, IGNORE_LIMITS: word }))).toMatchObject({ removeJobs: value, ignoreLimits: value })
  })
})

describe('what cannot be used is named by its variable', () => {
  const each = (name: string, values: string[], problem: RegExp) =>
    values.map((value): [Environment, RegExp] => [{ [name]: value }, problem])
  const refused: [env: Environment, problem: RegExp][] = [
    [{ CONTAINER_ENV: '' }, /^CONTAINER_ENV: is missing/],
    [{ CONTAINER_ENV: 'dokcer' }, /^CONTAINER_ENV: must be one of .*, not "dokcer"$/],
    [{ STORAGE_TYPE: 'hostt' }, /^STORAGE_TYPE: must be one of host, .*, not "hostt"$/],
    [{ STOREBASE: '' }, /^STOREBASE: is needed with storage type host$/],
    [{ STOREBASE: 'data' }, /^STOREBASE: must be an absolute path/],
    [{ STOREBASE: '/data/../etc' }, /^STOREBASE: must be an absolute path/],
    [{ VOLUME_NAME: 'v' }, /^VOLUME_NAME: has no place with storage type host$/],
    [{ STORAGE_TYPE: 'docker_local_volume', VOLUME_NAME: 'v' }, /^STOREBASE: has no place with storage type docker_local_volume$/],
    [{ STORAGE_TYPE: 'kubernetes_pvc', STOREBASE: '' }, /^VOLUME_NAME: is needed with storage type kubernetes_pvc$/],
    [{ STORAGE_TYPE: 'nfs' }, /^NFS_SERVER: is needed with storage type nfs$/],
    ...each(
      'CONTAINER_USER',
      ['20-10:5', '1:2-1', '1', '1:2:3', 'a:b', '-1:2', '1-:2', '99999999999:1', '2147483648:1', '1.5:1'],
      /^CONTAINER_USER: must be UID:GID or A-B:C-D, with A <= B/,
    ),
    [{ SECURITYCONTEXT_RUN_AS_USER: '5' }, /^SECURITYCONTEXT_RUN_AS_USER and SECURITYCONTEXT_RUN_AS_GROUP: must be set together$/],
    [
      { SECURITYCONTEXT_RUN_AS_USER: 'x', SECURITYCONTEXT_RUN_AS_GROUP: '6' },
      /^SECURITYCONTEXT_RUN_AS_USER and SECURITYCONTEXT_RUN_AS_GROUP: must be UID:GID/,
    ],
    [{ CONTAINER_USER: '1:1', SECURITYCONTEXT_RUN_AS_USER: '5', SECURITYCONTEXT_RUN_AS_GROUP: '6' }, /^CONTAINER_USER: contradicts/],
    [{ ENABLE_HOME_WORKAROUND: 'maybe' }, /^ENABLE_HOME_WORKAROUND: must be yes or no, not "maybe"$/],
    [{ REMOVE_JOBS: 'nope' }, /^REMOVE_JOBS: must be yes or no/],
    [{ IGNORE_LIMITS: '2' }, /^IGNORE_LIMITS: must be yes or no/],
    ...each('SHM_SIZE', ['0', '-1', '64m', '1e3', '1.5'], /^SHM_SIZE: must be a whole number from 1/),
    [{ JOB_LOGS_TAIL: 'all' }, /^JOB_LOGS_TAIL: must be a whole number/],
    [{ TIMELIMIT_MINUTES: '0' }, /^TIMELIMIT_MINUTES: must be a whole number from 1/],
    ...each('JOB_LABELS', ['a', 'a=b,', '=b', 'a=1,a=2', 'a=b\nc=d'], /^JOB_LABELS: must be key=value pairs/),
    [{ PMAN_IMAGE_ALLOW_LIST: 'a,,b' }, /^PMAN_IMAGE_ALLOW_LIST: must be a list/],
    [{ JOBS_TABLE: '' }, /^JOBS_TABLE: is missing$/],
    [{ JOBS_TABLE: 'a table' }, /^JOBS_TABLE: must be the name of a DynamoDB table/],
    [{ PMAN_LOG_LEVEL: 'loud' }, /^PMAN_LOG_LEVEL: must be one of info, warn, error, not "loud"$/],
    [{ PMAN_TOKENS_SECRET: 'a b' }, /^PMAN_TOKENS_SECRET: must be the name of a secret/],
    [{ PMAN_TIMING: 'lease' }, /^PMAN_TIMING: must be key=value pairs in milliseconds/],
    [{ PMAN_TIMING: 'lease=soon' }, /^PMAN_TIMING\.lease: must be a whole number/],
    [{ PMAN_TIMING: 'leese=1' }, /^PMAN_TIMING\.leese: there is no such setting$/],
    [{ PMAN_TIMING: 'tombstone=1000' }, /^PMAN_TIMING\.tombstone: must be a whole number from 3600000 /],
    [{ PMAN_TIMING: 'requestBudget=29000' }, /^PMAN_TIMING\.requestBudget: must be a whole number from 1 to 25000/],
  ]
  test.each(refused)('%j', async (env, problem) => {
    const problems = await problemsOf(load(env))
    expect(problems.filter((line) => problem.test(line))).toHaveLength(1)
    expect(problems).toHaveLength(1)
  })

  test('all of them at once, a line each', async () => {
    const compute = { CONTAINER_ENV: 'docker', STORAGE_TYPE: 'host', STOREBASE: 'x', VOLUME_NAME: 'v', REMOVE_JOBS: 'perhaps' }
    const problems = await problemsOf(load({ ...compute, JOBS_TABLE: '', PMAN_TIMING: 'x=1' }))
    expect(problems.map((line) => line.split(':')[0])).toEqual(['STOREBASE', 'VOLUME_NAME', 'REMOVE_JOBS', 'JOBS_TABLE', 'PMAN_TIMING.x'])
  })

  test('an engine that this release has no driver for is refused as such', async () => {
    const drivers = { local: ALL_ENGINES.local }
    const problems = await problemsOf(load({ CONTAINER_ENV: 'swarm' }, { drivers }))
    expect(problems).toEqual(['CONTAINER_ENV: swarm has no driver in this release, which has: local'])
  })

  test('what may be a secret by mistake is not repeated', async () => {
    const problems = await problemsOf(load({ PMAN_CREDENTIALS_SECRET: 'hunter2 is my password' }))
    expect(problems).toEqual([expect.stringMatching(/^PMAN_CREDENTIALS_SECRET: must be the name of a secret/)])
    expect(problems.join()).not.toContain('hunter2')
  })

  test('a driver names its options, and storage, in the same words and at the same time', async () => {
    const problems = ['namespace: must be a DNS label', 'storage.type: kubernetes has no host', 'nodeSelector.disk: too long', 'no path']
    const drivers = { ...ALL_ENGINES, kubernetes: async () => ({ problems: () => problems }) }
    const env = { CONTAINER_ENV: 'kubernetes', JOB_NAMESPACE: 'A', SHM_SIZE: 'x' }
    expect((await problemsOf(load(env, { drivers }))).map((line) => line.replace(/, not .*/, ''))).toEqual([
      'SHM_SIZE: must be a whole number from 1 to 16777216',
      'JOB_NAMESPACE: must be a DNS label',
      'STORAGE_TYPE: kubernetes has no host',
      'NODE_SELECTOR.disk: too long',
      'options: no path',
    ])
  })

  test('a driver is heard on its options even if the storage is wrong, and not on the storage then', async () => {
    const drivers = { ...ALL_ENGINES, local: async () => ({ problems: () => ['storage.type: unknown', 'directory: is missing'] }) }
    expect(await problemsOf(load({ STOREBASE: '' }, { drivers }))).toEqual([
      'STOREBASE: is needed with storage type host',
      'PMAN_LOCAL_DIRECTORY: is missing',
    ])
  })
})

describe('what has no effect is a warning, since pman ignored it', () => {
  const idle: [env: Environment, warning: RegExp][] = [
    [{ JOB_NAMESPACE: 'x' }, /^JOB_NAMESPACE: has no effect with CONTAINER_ENV=local$/],
    [{ CROMWELL_URL: 'x' }, /^CROMWELL_URL: has no effect with CONTAINER_ENV=local$/],
    [{ NFS_SERVER: 'x' }, /^NFS_SERVER: has no effect with STORAGE_TYPE=host$/],
    [{ PFCON_SELECTOR: 'x' }, /^PFCON_SELECTOR: has no effect with STORAGE_TYPE=host$/],
    [{ enableTokenAuth: 'yes' }, /^enableTokenAuth: has no effect; a token is always asked for/],
    [{ tokenPath: '/tokens.ini' }, /^tokenPath: has no effect; .*PMAN_TOKENS_SECRET/],
  ]
  test.each(idle)('%j', async (env, warning) => {
    const config = await load(env)
    expect(config.warnings).toEqual([expect.stringMatching(warning)])
    expect(only(config)?.options).toEqual({})
  })
})

test('timing comes from PMAN_TIMING over the defaults', async () => {
  const { timing } = await load({ PMAN_TIMING: 'lease=1000, absentLooks=5' })
  expect(timing).toEqual({ ...DEFAULT_TIMING, lease: 1000, absentLooks: 5 })
})

test('nothing in a configuration can be changed', async () => {
  const config = await load({ JOB_LABELS: 'a=b' })
  const compute = only(config)
  const inside = [config, compute, compute?.labels, compute?.storage, compute?.options, compute?.defaults, config.timing, config.warnings]
  expect(inside.filter((part) => !Object.isFrozen(part))).toEqual([])
})

test('the error is coded, and is not worth a second try', async () => {
  await expect(load({ CONTAINER_ENV: '' })).rejects.toMatchObject({ name: 'PmanError', code: 'config', transient: false })
  expect(() => configFromEnvironment({})).toThrow(/^CONTAINER_ENV: is missing.*\nSTOREBASE: .*\nJOBS_TABLE: is missing$/)
})
