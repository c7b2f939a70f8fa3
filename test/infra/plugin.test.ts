import { createRequire } from 'node:module'
import { allowedMethods } from '../../lib/http/routes.ts'

interface Event {
  httpApi: { method: string; path: string }
}
interface Service {
  functions: Record<string, { events: unknown[] }>
  provider: { environment: Record<string, unknown> }
  custom: { esbuild: { outputWorkFolder?: string } }
}
type Plugin = new (serverless: { service: Service; serviceDir: string }) => { hooks: Record<string, () => void> }

const require = createRequire(import.meta.url)
const LocalPlugin = require('../../infra/local/plugin.cjs') as Plugin
const routes = require('../../infra/routes.cjs') as Record<string, Event[]>

const saved = { ...process.env }
afterEach(() => {
  process.env = { ...saved }
})

function service(events: unknown[]): Service {
  return { functions: { one: { events } }, provider: { environment: { JOBS_TABLE: 'declared', OTHER: 'kept' } }, custom: { esbuild: {} } }
}

function adapted(events: unknown[] = []): Service {
  const made = service(events)
  new LocalPlugin({ service: made, serviceDir: '/project' }).hooks['before:offline:start:init']?.()
  return made
}

test('drops the twins of all routes and nothing else', () => {
  const others = [{ httpApi: '*' }, { schedule: 'rate(1 minute)' }]
  const all = Object.values(routes).flat()
  const left = adapted([...all, ...others]).functions.one?.events as Event[]
  expect(left.slice(-2)).toEqual(others)
  const paths = left.slice(0, -2).map(({ httpApi }) => `${httpApi.method} ${httpApi.path}`)
  expect(paths).toHaveLength(all.length / 2)
  expect(paths.filter((path) => path.includes('slash'))).toEqual([])
})

test.each([
  ['CONTAINER_ENV', true],
  ['STOREBASE', true],
  ['JOB_LOGS_TAIL', true],
  ['SECURITYCONTEXT_RUN_AS_USER', true],
  ['PMAN_TIMING', true],
  ['JOBS_TABLE', true],
  ['AWS_ENDPOINT_URL_DYNAMODB', true],
  ['DOCKER_HOST', true],
  ['KUBECONFIG', true],
  ['PATH', true],
  ['NPM_TOKEN', false],
  ['MY_STOREBASE', false],
])('a worker sees %s: %s', (name, sees) => {
  process.env[name] = 'of this machine'
  const { environment } = adapted().provider
  expect(environment[name]).toBe(sees ? 'of this machine' : undefined)
  expect(environment.OTHER).toBe('kept')
})

test('builds where PMAN_BUILD_FOLDER says, and otherwise in the usual place', () => {
  process.env.PMAN_BUILD_FOLDER = '/state/build'
  expect(adapted().custom.esbuild.outputWorkFolder).toBe('../state/build')
  delete process.env.PMAN_BUILD_FOLDER
  expect(adapted().custom.esbuild.outputWorkFolder).toBeUndefined()
})

test('the routes are those of the answers to what no route takes', () => {
  const methods = new Map<string, string[]>()
  for (const { httpApi } of Object.values(routes).flat()) {
    const path = httpApi.path.replace('{compute}', 'engine').replace('{jid}', 'job').replace('{slash+}', '')
    methods.set(path, [...(methods.get(path) ?? []), httpApi.method])
  }
  expect(methods.size).toBe(12)
  for (const [path, taken] of methods) expect([path, allowedMethods(path)]).toEqual([path, [...taken, 'OPTIONS']])
})
