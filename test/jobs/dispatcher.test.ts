import { EngineRejected, NeedsPreparation } from '../../lib/backends/contract.ts'
import { dispatchJob } from '../../lib/jobs/dispatcher.ts'
import type { JobKey } from '../../lib/jobs/types.ts'
import { ANYONE, testGateway, type Gateway } from '../support/gateway.ts'

let gateway: Gateway
let key: JobKey
beforeAll(async () => {
  gateway = await testGateway({}, { dispatchTries: 4, backoffLeast: 20, lease: 300, dispatchBudget: 10_000 })
})
beforeEach(() => {
  gateway.engine.mend()
  gateway.dispatches = false
  gateway.ahead = 0
  gateway.lines.length = 0
  key = gateway.key()
})
afterAll(() => gateway.stop())

const submit = () => gateway.service.submit(ANYONE, key, gateway.script(key, 'exit 0'))
/** A submission whose request ends before the engine has the job. */
async function leftBehind(): Promise<void> {
  gateway.engine.fail('create', 'refused', 1)
  expect((await submit()).record).toMatchObject({ state: 'submitting', tries: 1, message: expect.stringContaining('ECONNREFUSED') as string })
}
const events = (): string[] => gateway.lines.map(({ event }) => event)

describe('dispatch', () => {
  test('is asked for by a request that has not come to its end, and hands the job over', async () => {
    gateway.dispatches = true
    gateway.engine.fail('create', 'refused', 1)
    await submit()
    await gateway.until(key, 'succeeded')
    expect(gateway.runs(key)).toBe(1)
    expect((await gateway.record(key))?.message).toBeUndefined()
  })

  test('several at once, and again afterwards: one run', async () => {
    await leftBehind()
    await Promise.all(Array.from({ length: 8 }, () => dispatchJob(gateway.core, key)))
    await gateway.until(key, 'succeeded')
    await dispatchJob(gateway.core, key)
    expect(gateway.runs(key)).toBe(1)
  })

  test('tries again after a pause, and ends the job when its tries are used up', async () => {
    await leftBehind()
    const before = gateway.engine.calls.create
    gateway.engine.fail('create', 'refused')
    await dispatchJob(gateway.core, key)
    const record = await gateway.record(key)
    expect(record).toMatchObject({ state: 'failed', reason: 'DispatchExhausted', neverRan: true, message: expect.stringMatching(/ECONNREFUSED|left alone/) as string })
    expect(gateway.engine.calls.create - before).toBeLessThanOrEqual(3)
    expect(events().filter((event) => event === 'let go').length).toBe(3)
    gateway.engine.mend()
    gateway.dispatches = true
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect((await submit()).record).toMatchObject({ generation: 2 })
    await gateway.until(key, 'succeeded')
    expect(gateway.runs(key)).toBe(1)
  })

  test('a refusal by the engine ends the job at once', async () => {
    await leftBehind()
    gateway.engine.fail('create', () => Promise.reject(new EngineRejected('no such flavour')))
    await dispatchJob(gateway.core, key)
    expect(await gateway.record(key)).toMatchObject({ state: 'failed', reason: 'EngineRejected', message: 'no such flavour' })
  })

  test('leaves a holder alone that is at work, and renews its own lease while it works', async () => {
    await leftBehind()
    await new Promise((resolve) => setTimeout(resolve, 30))
    let go = (): void => undefined
    const held = new Promise<void>((resolve) => (go = resolve))
    gateway.engine.fail('create', async (act) => (await held, act()), 1)
    const first = dispatchJob(gateway.core, key)
    await new Promise((resolve) => setTimeout(resolve, 900))
    const takeOvers = () => events().filter((event) => event === 'taken over').length
    expect(takeOvers()).toBe(1)
    const second = dispatchJob(gateway.core, key)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(takeOvers()).toBe(1)
    go()
    await Promise.all([first, second])
    await gateway.until(key, 'succeeded')
    expect(gateway.runs(key)).toBe(1)
  })

  test('does nothing for a job that is not there, has ended, or was deleted', async () => {
    await dispatchJob(gateway.core, key)
    await leftBehind()
    await gateway.service.delete(ANYONE, key)
    await dispatchJob(gateway.core, key)
    expect(gateway.runs(key)).toBe(0)
    expect(events()).not.toContain('taken over')
  })
})

describe('preparing', () => {
  test('is left to dispatch, with the job `pulling` meanwhile, and is done once', async () => {
    let prepared = 0
    const { engine } = gateway
    Object.assign(engine, {
      prepare: async () => {
        prepared++
        return '{"digest":"x"}'
      },
    })
    try {
      engine.fail('create', (act) => (prepared === 0 ? Promise.reject(new NeedsPreparation('no image')) : act()))
      expect((await submit()).record.state).toBe('pulling')
      expect(prepared).toBe(0)
      await dispatchJob(gateway.core, key)
      expect((await gateway.until(key, 'succeeded')).prepared).toBe('{"digest":"x"}')
      expect(prepared).toBe(1)
      expect(gateway.runs(key)).toBe(1)
    } finally {
      Object.assign(engine, { prepare: undefined })
    }
  })
})
