import { readFile } from 'node:fs/promises'

import { BACKEND_TYPES } from '../../lib/backends/index.ts'
import { configFromYaml, loadConfig, serviceFromEnvironment } from '../../lib/config.ts'
import type { Config, ConfigSources, Environment } from '../../lib/config.ts'
import { PmanError } from '../../lib/errors.ts'
import { DEFAULT_TIMING } from '../../lib/jobs/timing.ts'
import { ALL_ENGINES, NO_SOURCES, problemsOf } from './support.ts'

const ENV: Environment = { JOBS_TABLE: 'jobs', PMAN_COMPUTES_FILE: '/etc/computes.yml' }
const HOST = 'storage: {storebase: /data}'

async function load(text: string, env: Environment = {}, sources: Partial<ConfigSources> = {}): Promise<Config> {
  return loadConfig({ ...ENV, ...env }, { ...NO_SOURCES, readFile: async () => text, drivers: ALL_ENGINES, ...sources })
}

describe('computes.yml', () => {
  test('says the same as the variables do', async () => {
    const file = await load(`
      computes:
        kubernetes:
          type: kubernetes
          storage: {type: kubernetes_pvc, volume: pvc}
          credentials: engines/k8s
          user: 1000:2000
          homeWorkaround: yes
          shmSizeMiB: 64
          labels: {a: b, year: 2024, on: true}
          logsTail: 5
          ignoreLimits: false
          removeJobs: no
          timeLimitMinutes: 9
          imageAllowList: [busybox]
          options: {namespace: chris, nodeSelector: {disk: ssd}}
    `)
    const variables = await loadConfig(
      {
        JOBS_TABLE: 'jobs',
        CONTAINER_ENV: 'kubernetes',
        STORAGE_TYPE: 'kubernetes_pvc',
        VOLUME_NAME: 'pvc',
        PMAN_CREDENTIALS_SECRET: 'engines/k8s',
        CONTAINER_USER: '1000:2000',
        ENABLE_HOME_WORKAROUND: 'yes',
        SHM_SIZE: '64',
        JOB_LABELS: 'a=b,year=2024,on=true',
        JOB_LOGS_TAIL: '5',
        IGNORE_LIMITS: 'no',
        REMOVE_JOBS: 'no',
        TIMELIMIT_MINUTES: '9',
        PMAN_IMAGE_ALLOW_LIST: 'busybox',
        JOB_NAMESPACE: 'chris',
        NODE_SELECTOR: 'disk=ssd',
      },
      { ...NO_SOURCES, drivers: ALL_ENGINES },
    )
    expect(file).toEqual(variables)
  })

  test('has several computes and names its default', async () => {
    const config = await load(`
      default: b
      computes:
        a: {type: local, ${HOST}, defaults: {cpuLimit: 500}}
        b: {type: docker, storage: {volume: v}}
      timing: {lease: 5000, retention: 60000}
    `, { PMAN_TIMING: 'lease=7000' })
    expect([...config.computes.keys()]).toEqual(['a', 'b'])
    expect(config.defaultCompute).toBe('b')
    expect(config.computes.get('a')?.defaults).toEqual({ cpuLimit: 500, memoryLimit: 0, gpuLimit: 0 })
    expect(config.computes.get('b')?.storage).toEqual({ type: 'docker_local_volume', volume: 'v' })
    expect(config.timing).toEqual({ ...DEFAULT_TIMING, lease: 7000, retention: 60_000 })
  })

  const compute = (part: string) => `computes: {a: {type: local, ${HOST}, ${part}}}`
  const named = (names: string[], problem: RegExp) =>
    names.map((name): [string, RegExp] => [`computes: {${name}: {type: local, ${HOST}}}`, problem])
  const refused: [text: string, problem: RegExp][] = [
    ['', /^the configuration: must be a mapping$/],
    ['- a', /^the configuration: must be a mapping$/],
    ['computes: {}', /^computes: must have at least one compute$/],
    ['computes: []', /^computes: must be a mapping$/],
    ['timing: {}', /^computes: is missing$/],
    [`computes: {a: {type: local, ${HOST}}, b: {type: local, ${HOST}}}`, /^default: must name one of the computes: a, b$/],
    [`default: c\ncomputes: {a: {type: local, ${HOST}}}`, /^default: must name one of the computes: a$/],
    [`computes: {a: {${HOST}}}`, /^computes\.a\.type: is missing; it names the engine/],
    ['computes: {a: }', /^computes\.a: must be a mapping$/],
    ['computes: {a: {type: local}}', /^computes\.a\.storage\.storebase: is needed with storage type host$/],
    ['computes: {a: {type: local, storage: /data}}', /^computes\.a\.storage: must be a mapping$/],
    [compute('typo: 1'), /^computes\.a\.typo: there is no such setting$/],
    [compute('__proto__: {x: 1}'), /^computes\.a\.__proto__: there is no such setting$/],
    [compute('defaults: {cpu: 1}'), /^computes\.a\.defaults\.cpu: there is no such setting$/],
    [compute('defaults: {cpuLimit: -1}'), /^computes\.a\.defaults\.cpuLimit: must be a whole number from 0/],
    [compute('removeJobs: maybe'), /^computes\.a\.removeJobs: must be yes or no, not "maybe"$/],
    [compute('logsTail: 1.5'), /^computes\.a\.logsTail: must be a whole number/],
    [compute('user: 5'), /^computes\.a\.user: must be UID:GID/],
    [compute('labels: [a]'), /^computes\.a\.labels: must be key=value pairs/],
    [compute('labels: {a: {b: c}}'), /^computes\.a\.labels: must be key=value pairs/],
    [compute('imageAllowList: [1]'), /^computes\.a\.imageAllowList: must be a list/],
    [compute('options: no'), /^computes\.a\.options: must be a mapping$/],
    [compute('credentials: {password: hunter2}'), /^computes\.a\.credentials: must be the name of a secret/],
    [`typo: 1\n${compute('logsTail: 1')}`, /^typo: there is no such setting$/],
    [`timing: {leese: 1}\n${compute('logsTail: 1')}`, /^timing\.leese: there is no such setting$/],
    [`timing: {lease: 0}\n${compute('logsTail: 1')}`, /^timing\.lease: must be a whole number from 1/],
    [`${compute('logsTail: 1')}\ncomputes: {}`, /^computes\.yml line 2, column 1: this key is there twice$/],
    [compute('logsTail: 1, logsTail: 2'), /^computes\.yml line 1, column \d+: this key is there twice$/],
    ['computes: *nothing', /^computes\.yml/],
    ['computes: !secret x', /^computes\.yml line 1, column 11: tags have no meaning here$/],
    [`${compute('logsTail: 1')}\n---\na: 1`, /^computes\.yml line 2, column 1: the file must be one document/],
    ...named(['A', 'a_b', 'a.b', 'a'.repeat(33), '"a b"', '""', '__proto__'], /^computes\..*: a compute has a name of 1 to 32 characters/),
    ...named(['api', 'console', 'default'], /^computes\.\w+: the name is taken/),
  ]
  test.each(refused)('%j is refused', async (text, problem) => {
    const problems = await problemsOf(load(text))
    expect(problems).toEqual([expect.stringMatching(problem)])
  })

  test('all problems of all computes at once, the drivers’ own included', async () => {
    const drivers = { ...ALL_ENGINES, docker: async () => ({ problems: () => ['url: must be a URL'] }) }
    const text = `
      default: c
      computes:
        a: {type: local, storage: {type: nfs, storebase: x, volume: v}, typo: 1}
        b: {type: docker, logsTail: x}
    `
    expect(await problemsOf(load(text, { PMAN_LOG_LEVEL: 'x' }, { drivers }))).toEqual([
      'computes.a.storage.storebase: must be an absolute path without "..", not "x"',
      'computes.a.storage.volume: has no place with storage type nfs',
      'computes.a.storage.nfsServer: is needed with storage type nfs',
      'computes.a.typo: there is no such setting',
      'computes.b.logsTail: must be a whole number from 0 to 1000000, not "x"',
      'default: must name one of the computes: a, b',
      'PMAN_LOG_LEVEL: must be one of info, warn, error, not "x"',
      'computes.b.options.url: must be a URL',
    ])
  })

  test('a syntax error is told without the text of the file', async () => {
    const problems = await problemsOf(load('computes: {a: {options: {url: "https://me:hunter2@host}}}\n  : ['))
    expect(problems.length).toBeGreaterThan(0)
    expect(problems.join()).not.toContain('hunter2')
    expect(problems.every((line) => /^computes\.yml line \d+, column \d+: ./.test(line))).toBe(true)
  })

  test('an alias bomb ends as a problem', async () => {
    const tenTimes = (name: string, of: string) => `${name}: &${name} [${`${of}, `.repeat(10)}]`
    const bomb = [tenTimes('a', 'x'), tenTimes('b', '*a'), tenTimes('c', '*b'), tenTimes('d', '*c')]
    expect(await problemsOf(load(bomb.join('\n')))).toEqual([expect.stringMatching(/^computes\.yml: .*alias/i)])
  })
})

describe('where the computes come from', () => {
  const text = `computes: {hpc: {type: local, ${HOST}}}`

  test('a file that PMAN_COMPUTES_FILE names', async () => {
    const asked: string[] = []
    const readFile = async (path: string) => Promise.resolve(asked.push(path)).then(() => text)
    expect((await load('', {}, { readFile })).defaultCompute).toBe('hpc')
    expect(asked).toEqual(['/etc/computes.yml'])
  })

  test('a secret that PMAN_COMPUTES_SECRET names', async () => {
    const asked: string[] = []
    const readSecret = async (name: string) => Promise.resolve(asked.push(name)).then(() => text)
    const config = await load('', { PMAN_COMPUTES_FILE: '', PMAN_COMPUTES_SECRET: 'pman/computes' }, { readSecret })
    expect(config.defaultCompute).toBe('hpc')
    expect(asked).toEqual(['pman/computes'])
  })

  test('not both', async () => {
    expect(await problemsOf(load(text, { PMAN_COMPUTES_SECRET: 'x' }))).toEqual([
      'PMAN_COMPUTES_SECRET and PMAN_COMPUTES_FILE: set one of the two',
    ])
  })

  test('a missing file or secret is a problem of its variable, told with the others', async () => {
    const readFile = async () => Promise.reject(new Error('ENOENT: no such file'))
    const readSecret = async () => Promise.reject(new PmanError('secret_missing', 'the secret x does not exist'))
    expect(await problemsOf(load('', { JOBS_TABLE: '' }, { readFile }))).toEqual([
      'PMAN_COMPUTES_FILE: ENOENT: no such file',
      'JOBS_TABLE: is missing',
    ])
    expect(await problemsOf(load('', { PMAN_COMPUTES_FILE: '', PMAN_COMPUTES_SECRET: 'x' }, { readSecret }))).toEqual([
      'PMAN_COMPUTES_SECRET: the secret x does not exist',
    ])
  })

  test('a secrets store that is down is not a wrong setting', async () => {
    const readSecret = async () => Promise.reject(new PmanError('secrets_unavailable', 'down'))
    const env = { PMAN_COMPUTES_FILE: '', PMAN_COMPUTES_SECRET: 'x' }
    await expect(load('', env, { readSecret })).rejects.toMatchObject({ code: 'secrets_unavailable' })
  })

  test('pman variables beside a file are told to have no effect', async () => {
    const { warnings } = await load(text, { CONTAINER_ENV: 'docker', SECURITYCONTEXT_RUN_AS_USER: '1', tokenPath: 'x' })
    expect(warnings[0]).toBe('CONTAINER_ENV, SECURITYCONTEXT_RUN_AS_USER: no effect, since the computes come from computes.yml')
    expect(warnings[1]).toMatch(/^tokenPath: /)
    expect(warnings).toHaveLength(2)
  })
})

test('the service’s own settings can be read without any compute', () => {
  expect(serviceFromEnvironment({ JOBS_TABLE: 'jobs', PMAN_TOKENS_SECRET: 'a/b', PMAN_LOG_LEVEL: 'warn' })).toEqual({
    table: 'jobs',
    tokensSecret: 'a/b',
    logLevel: 'warn',
    timing: DEFAULT_TIMING,
  })
  expect(() => serviceFromEnvironment({})).toThrow('JOBS_TABLE: is missing')
})

test('the example is a configuration of this release, for its drivers too', async () => {
  const text = await readFile(new URL('../../examples/computes.yml', import.meta.url), 'utf8')
  const config = await loadConfig(ENV, { ...NO_SOURCES, readFile: async () => text })
  expect(configFromYaml(text, ENV)).toEqual(config)
  expect([...config.computes.keys()]).toEqual(['containers', 'cluster', 'hpc', 'old-hpc', 'this-machine'])
  expect(config.defaultCompute).toBe('containers')
  expect([...config.computes.values()].every(({ type }) => BACKEND_TYPES.includes(type))).toBe(true)
  expect(config.computes.get('containers')).toMatchObject({ homeWorkaround: true, logsTail: 200, defaults: { memoryLimit: 512 } })
})
