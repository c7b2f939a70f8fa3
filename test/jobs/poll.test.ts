import type { Backend } from '../../lib/backends/contract.ts'
import type { JobKey } from '../../lib/jobs/types.ts'
import { ANYONE, testGateway, type Gateway } from '../support/gateway.ts'

/** An engine of which one call answers for many jobs, and the number of jobs that each call was about. */
function asksForMany(engine: Backend): { backend: Backend; calls: number[] } {
  const calls: number[] = []
  const backend = new Proxy(engine, {
    get(target, name, receiver) {
      if (name === 'supports') return { ...target.supports, observesMany: true }
      if (name !== 'observe') return Reflect.get(target, name, receiver) as unknown
      return (refs: string[], call: Parameters<Backend['observe']>[1]) => {
        calls.push(refs.length)
        return target.observe(refs, call)
      }
    },
  })
  return { backend, calls }
}

describe('where one call answers for many jobs', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await testGateway()
  })
  afterAll(() => gateway.stop())

  test('one poller asks for all of them, and each record has its answer', async () => {
    const { backend, calls } = asksForMany(gateway.engine)
    gateway.core.backend = () => Promise.resolve(backend)
    const keys: JobKey[] = Array.from({ length: 12 }, () => gateway.key())
    await Promise.all(keys.map((key) => gateway.service.submit(ANYONE, key, gateway.script(key, 'sleep 0.2; exit 7'))))
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await Promise.all(keys.map((key) => gateway.service.status(ANYONE, key)))
    expect(calls).toEqual([12])
    const states = await Promise.all(keys.map(async (key) => (await gateway.record(key))?.exitCode))
    expect(states).toEqual(keys.map(() => 7))
  })
})
