import { EngineRejected, NeedsPreparation, NotYet } from '../../lib/backends/contract.ts'
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

test('a slow table is not flooded: the next renewal waits for the last', async () => {
  await leftBehind()
  await new Promise((resolve) => setTimeout(resolve, 30))
  const { core, engine } = gateway
  let open = 0
  let most = 0
  let begun = 0
  const slow = {
    ...core.store,
    write: async (...args: Parameters<typeof core.store.write>) => {
      if (args.length === 3) {
        begun++
        most = Math.max(most, ++open)
        await new Promise((resolve) => setTimeout(resolve, 350))
        open--
      }
      return core.store.write(...args)
    },
  }
  engine.fail('create', async (act) => (await new Promise((resolve) => setTimeout(resolve, 1000)), act()), 1)
  await dispatchJob({ ...core, store: slow }, key)
  expect(begun).toBeGreaterThan(1)
  expect(most).toBe(1)
  expect(open).toBe(0)
})

test('an engine that never answers is given up after `callWithin`, and asked again', async () => {
  await leftBehind()
  await new Promise((resolve) => setTimeout(resolve, 30))
  const core = { ...gateway.core, timing: { ...gateway.core.timing, callWithin: 150 } }
  gateway.engine.fail('create', () => new Promise<never>(() => undefined), 1)
  await dispatchJob(core, key)
  await gateway.until(key, 'succeeded')
  expect(gateway.lines).toContainEqual({ event: 'dispatch is not done', fields: expect.objectContaining({ error: expect.stringContaining('did not answer') as string }) as object })
})

describe('preparing', () => {
  const withPrepare = async (prepare: () => Promise<string>, act: () => Promise<void>): Promise<void> => {
    const { engine } = gateway
    Object.assign(engine, { prepare })
    engine.fail('create', () => Promise.reject(new NeedsPreparation('no image')))
    try {
      await act()
    } finally {
      Object.assign(engine, { prepare: undefined })
    }
  }

  test('that may work later is tried again, and its reason is how the job ends when its tries are used up', () =>
    withPrepare(
      () => Promise.reject(new NotYet('the registry does not answer', 'RegistryUnreachable')),
      async () => {
        const { record } = await submit()
        expect(record).toMatchObject({ state: 'pulling' })
        await dispatchJob(gateway.core, key)
        expect(await gateway.record(key)).toMatchObject({
          state: 'failed',
          reason: 'RegistryUnreachable',
          neverRan: true,
          message: 'the registry does not answer',
          tries: 3,
        })
      },
    ))

  test('that takes longer than `pullWithin` ends the job', () =>
    withPrepare(
      () => Promise.reject(new NotYet('slow', 'RegistryUnreachable')),
      async () => {
        const patient = { ...gateway.core, timing: { ...gateway.core.timing, backoffLeast: 60_000 } }
        await submit()
        gateway.ahead = gateway.core.timing.pullWithin - 1000
        await gateway.cleanup()
        expect(await gateway.record(key)).toMatchObject({ state: 'pulling' })
        gateway.ahead = gateway.core.timing.pullWithin + 1000
        await gateway.cleanup()
        expect(await gateway.record(key)).toMatchObject({ state: 'failed', reason: 'ImagePullDeadline', neverRan: true })

        key = gateway.key()
        await submit()
        await dispatchJob(patient, key)
        expect(await gateway.record(key)).toMatchObject({ state: 'pulling', reason: 'RegistryUnreachable', tries: 1 })
        const { record } = await gateway.service.status(ANYONE, key)
        expect(record.state).toBe('pulling')
        gateway.ahead += gateway.core.timing.pullWithin + 1000
        await gateway.cleanup()
        expect(await gateway.record(key)).toMatchObject({ state: 'failed', reason: 'RegistryUnreachable', message: 'slow' })
      },
    ))

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
