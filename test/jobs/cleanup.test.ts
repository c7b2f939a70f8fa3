import type { Backend } from '../../lib/backends/contract.ts'
import type { JobKey } from '../../lib/jobs/types.ts'
import { ANYONE, testGateway, type Gateway } from '../support/gateway.ts'

const never = () => new Promise<never>(() => undefined)

/** An engine that never answers. */
const dead = {
  supports: { observesMany: false },
  pollInterval: 1,
  create: never,
  find: never,
  observe: never,
  remove: never,
  async *list() {
    yield await never()
  },
} as unknown as Backend

let gateway: Gateway
afterEach(() => gateway.stop())

/** What the engine itself says of a job. */
async function phase(key: JobKey): Promise<string | undefined> {
  const ref = (await gateway.record(key))?.ref ?? ''
  const [seen] = await gateway.engine.observe([ref], { signal: new AbortController().signal, deadline: Infinity, log: () => undefined })
  return seen?.kind === 'state' ? seen.phase : seen?.kind
}

async function untilFinal(key: JobKey, rounds: number): Promise<string | undefined> {
  for (let n = 0; n < rounds; n++) {
    gateway.ahead += 31_000
    await gateway.cleanup()
    const state = (await gateway.record(key))?.state
    if (state === 'succeeded') return state
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return (await gateway.record(key))?.state
}

describe('one sick compute never delays another', () => {
  test('jobs of the others go on in the same run, and the sick one is told', async () => {
    gateway = await testGateway({}, { requestBudget: 300, cleanupBudget: 2000, sweepEvery: 1 })
    const { core } = gateway
    const here = core.computes.get('here')
    if (here === undefined) throw new Error('the test has no compute')
    const real = core.backend.bind(core)
    core.computes = new Map([
      ['sick', { ...here, name: 'sick' }],
      ['here', here],
    ])
    core.backend = (name) => (name === 'sick' ? Promise.resolve(dead) : real(name))

    const sick = Array.from({ length: 6 }, (_, n) => ({ compute: 'sick', jid: `sick-${n}` }))
    await Promise.all(sick.map((key) => gateway.service.submit(ANYONE, key, gateway.script(key, 'exit 0'))))
    const key = gateway.key()
    await gateway.service.submit(ANYONE, key, gateway.script(key, 'exit 0'))
    // in the one run that this is about
    for (let tries = 0; tries < 200 && (await phase(key)) !== 'ended'; tries++) await new Promise((resolve) => setTimeout(resolve, 50))
    gateway.ahead += 31_000
    await gateway.cleanup()
    expect((await gateway.record(key))?.state).toBe('succeeded')
    for (const each of sick) expect((await gateway.record(each))?.state).toBe('submitting')
    expect(gateway.lines.some(({ event, fields }) => event === 'cleanup failed for a compute' && fields?.compute === 'sick')).toBe(true)
  })
})

describe('a run whose time is over', () => {
  test('says so, and the next one goes on where it has stopped', async () => {
    gateway = await testGateway({}, { cleanupBudget: 60_000 })
    const keys = Array.from({ length: 30 }, () => gateway.key())
    for (const key of keys) await gateway.service.submit(ANYONE, key, gateway.script(key, 'exit 0'))
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const { core } = gateway
    const read = core.store.due.bind(core.store)
    let pages = 0
    // after the first page the time is over
    core.store.due = async (...args) => {
      if (++pages === 2) gateway.ahead += 61_000
      return read(...args)
    }
    gateway.ahead += 31_000
    expect((await gateway.cleanup()).unfinished).toEqual(['here'])
    const first = await Promise.all(keys.map(async (key) => (await gateway.record(key))?.state))
    expect(await core.store.cursor('here')).toBeDefined()
    gateway.ahead += 31_000
    expect((await gateway.cleanup()).unfinished).toEqual([])
    expect(await core.store.cursor('here')).toBeUndefined()
    gateway.ahead += 31_000
    await gateway.cleanup()
    const last = await Promise.all(keys.map(async (key) => (await gateway.record(key))?.state))
    expect(first.filter((state) => state === 'succeeded').length).toBeLessThan(30)
    expect(last).toEqual(keys.map(() => 'succeeded'))
  })
})

describe('without any client', () => {
  test('a job whose request has died goes through all its states by cleanup and dispatch alone', async () => {
    gateway = await testGateway()
    const key = gateway.key()
    gateway.engine.fail('create', 'lost', 1)
    await gateway.service.submit(ANYONE, key, gateway.script(key, 'echo x'))
    gateway.dispatches = true
    expect(await untilFinal(key, 30)).toBe('succeeded')
    expect(gateway.runs(key)).toBe(1)
    expect(Buffer.from((await gateway.service.status(ANYONE, key)).log).toString()).toBe('x\n')
  })

  test('a dispatch that cannot be asked for is asked for again', async () => {
    gateway = await testGateway()
    const key = gateway.key()
    const { core } = gateway
    const ask = core.requestDispatch.bind(core)
    let refusals = 0
    core.requestDispatch = (of) => (++refusals <= 3 ? Promise.reject(new Error('Lambda is down')) : ask(of))
    gateway.dispatches = true
    gateway.engine.fail('create', 'refused', 1)
    expect((await gateway.service.submit(ANYONE, key, gateway.script(key, 'exit 0'))).record.state).toBe('submitting')
    expect(await untilFinal(key, 30)).toBe('succeeded')
    expect(gateway.runs(key)).toBe(1)
    expect(gateway.lines.some(({ event }) => event === 'dispatch is not asked for')).toBe(true)
  })
})
