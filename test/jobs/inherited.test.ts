import type { Found, Observation } from '../../lib/backends/contract.ts'
import { PmanError } from '../../lib/errors.ts'
import type { JobKey } from '../../lib/jobs/types.ts'
import { ANYONE, testGateway, type Gateway } from '../support/gateway.ts'

const key: JobKey = { compute: 'here', jid: 'of-old' }
const OTHER: JobKey = { compute: 'here', jid: 'of-nobody' }
const found = (observation: Observation): Found[] => [{ engineName: 'of-old', ref: 'old-ref', observation }]

let gateway: Gateway
beforeAll(async () => void (gateway = await testGateway()))
afterAll(() => gateway.stop())

/** The engine has one job that a service before this one has made. */
async function withOld(observation: Observation, act: () => Promise<void>): Promise<void> {
  const { engine } = gateway
  Object.assign(engine, { inherited: async (jid: string) => (jid === key.jid ? found(observation) : []) })
  engine.fail('logs', () => Promise.resolve({ bytes: Buffer.from('one\ntwo\n'), truncated: false }))
  try {
    await act()
  } finally {
    Object.assign(engine, { inherited: undefined })
    engine.mend()
  }
}
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(() => 'done', (error: unknown) => (error instanceof PmanError ? error.code : error))

test.each<[string, Observation, object]>([
  ['that has ended', { kind: 'state', phase: 'ended', reason: 'NonZeroExit', exitCode: 3, finishedAt: 7 }, { state: 'failed', reason: 'NonZeroExit', exitCode: 3, finishedAt: 7 }],
  ['that succeeded', { kind: 'state', phase: 'ended', reason: 'Completed', exitCode: 0 }, { state: 'succeeded' }],
  ['that runs', { kind: 'state', phase: 'running', startedAt: 5 }, { state: 'running', startedAt: 5 }],
  ['that is not seen well', { kind: 'unknown', error: 'x' }, { state: 'running', unreachable: { error: 'x' } }],
])('a job of the service before this one %s is shown, and not written down', (_, observation, expected) =>
  withOld(observation, async () => {
    const { record, log } = await gateway.service.status(ANYONE, key)
    expect(record).toMatchObject({ ...key, ...expected })
    expect(Buffer.from(log).toString()).toBe('one\ntwo\n')
    expect(Buffer.from((await gateway.service.logs(ANYONE, key, 1)).bytes).toString()).toBe('two\n')
    expect(await gateway.record(key)).toBeUndefined()
    expect(await codeOf(gateway.service.delete(ANYONE, key))).toBe('not_found')
    expect(await codeOf(gateway.service.status(ANYONE, OTHER))).toBe('not_found')
  }))

test('whoever has no right to read has none to these', () =>
  withOld({ kind: 'inert' }, async () => {
    expect(await codeOf(gateway.service.status({ name: 'x', scopes: ['write'] }, key))).toBe('forbidden')
  }))

test('an engine that cannot be asked is told as such, not as absence', async () => {
  Object.assign(gateway.engine, { inherited: () => Promise.reject(new Error('ECONNREFUSED')) })
  expect(await codeOf(gateway.service.status(ANYONE, key))).toBe('engine_unavailable')
  Object.assign(gateway.engine, { inherited: undefined })
})

test('a jid that this service has deleted is not looked for in the time before', async () => {
  const mine = gateway.key()
  gateway.dispatches = true
  await gateway.service.submit(ANYONE, mine, gateway.script(mine, 'exit 0'))
  await gateway.until(mine, 'succeeded')
  await gateway.service.delete(ANYONE, mine)
  Object.assign(gateway.engine, { inherited: async () => found({ kind: 'state', phase: 'running' }) })
  expect(await codeOf(gateway.service.status(ANYONE, mine))).toBe('not_found')
  Object.assign(gateway.engine, { inherited: undefined })
})
