import type { Call, EngineJob, Found, Observation } from '../../lib/backends/contract.ts'
import { SIGHTS, type Sight } from '../../lib/jobs/lifecycle.ts'
import { judge, type Sentence } from '../../lib/jobs/sweep.ts'
import type { JobKey, JobRecord } from '../../lib/jobs/types.ts'
import { ANYONE, testGateway, type Gateway } from '../support/gateway.ts'
import { record } from '../support/records.ts'

const SEEN: Record<Sight, Observation> = {
  inert: { kind: 'inert' },
  waiting: { kind: 'state', phase: 'waiting' },
  running: { kind: 'state', phase: 'running' },
  stopping: { kind: 'state', phase: 'stopping' },
  ended: { kind: 'state', phase: 'ended', reason: 'Completed', exitCode: 0 },
  withdrawn: { kind: 'state', phase: 'withdrawn' },
  absent: { kind: 'absent' },
  unknown: { kind: 'unknown', error: 'x' },
}
const previous = [{ engineName: 'object-1', generation: 1, requestId: 'r', ref: 'ref-1' }]

describe('what becomes of an engine object, by its record', () => {
  type Row = [record: string, is: JobRecord | undefined, sentences: Partial<Record<Sight, Sentence>>]
  const mine = { engineName: 'object-1' }
  const gone: Partial<Record<Sight, Sentence>> = { inert: 'remove', withdrawn: 'remove', waiting: 'stop', running: 'stop', ended: 'remove' }
  // sights that a row does not name are left alone
  const rows: Row[] = [
    ['there is none', undefined, { inert: 'remove', withdrawn: 'remove', waiting: 'adopt', running: 'adopt', ended: 'adopt' }],
    ['it is its holder’s, not committed', record({ ...mine, state: 'submitting' }), {}],
    ['it waits for an earlier one, not committed', record({ ...mine, state: 'queued' }), {}],
    ['it is committed to it', record({ ...mine, state: 'running', ref: 'ref-1' }), {}],
    ['it is being cancelled', record({ ...mine, state: 'cancelling', ref: 'ref-1' }), {}],
    ['it is committed to another object of the name', record({ ...mine, state: 'running', ref: 'ref-2' }), gone],
    ['it is another generation’s', record({ engineName: 'object-2', state: 'submitting', generation: 2 }), gone],
    ['it is another generation’s, which has this one in previous', record({ engineName: 'object-2', state: 'queued', previous }), { ...gone, ended: 'leave' }],
    ['it ended without it', record({ ...mine, state: 'failed', neverRan: true }), gone],
    ['it ended with it', record({ ...mine, state: 'succeeded', ref: 'ref-1' }), { inert: 'remove', waiting: 'stop', running: 'stop' }],
    ['it was deleted before the commit', record({ ...mine, state: 'deleted' }), gone],
    ['it was deleted, and is cleared by its own way', record({ ...mine, state: 'deleted', ref: 'ref-1', previous }), {}],
  ]
  test.each(rows)('%s', (_, is, sentences) => {
    for (const sight of SIGHTS) {
      const found: Found = { engineName: 'object-1', ref: 'ref-1', observation: SEEN[sight] }
      expect([sight, judge(found, is)]).toEqual([sight, sentences[sight] ?? 'leave'])
    }
  })
})

describe('a sweep of the real engine', () => {
  let gateway: Gateway
  let key: JobKey
  const call: Call = { signal: new AbortController().signal, deadline: Infinity, log: () => undefined }
  beforeAll(async () => {
    gateway = await testGateway({}, { sweepEvery: 1, leftoverGrace: 1000 })
  })
  beforeEach(() => {
    key = gateway.key()
  })
  afterAll(() => gateway.stop())

  /** An object that the service knows nothing of. */
  async function made(deployment: string, generation = 1): Promise<string> {
    const spec = gateway.script(key, 'sleep 30')
    const owner = { deployment, ...key, generation, specHash: 'h' }
    const argv = [...spec.entrypoint, ...spec.args]
    const job: EngineJob = { engineName: 'stray-aaaaaaaaaaaaaaaa', owner, spec, argv, env: [], limits: { cpu: 0, memory: 0, gpu: 0, time: 0 }, siteLabels: {} }
    return gateway.engine.create(job, undefined, call)
  }
  const seen = async (ref: string): Promise<string> => {
    const [observation] = await gateway.engine.observe([ref], call)
    return observation?.kind === 'state' ? observation.phase : (observation?.kind ?? 'nothing')
  }
  const swept = async (): Promise<void> => {
    await gateway.cleanup()
    gateway.ahead += 1001
    await gateway.cleanup()
  }

  test('an inert object without a record is removed after the grace period', async () => {
    const ref = await made(await gateway.core.deployment())
    gateway.ahead += 10
    await gateway.cleanup()
    expect(await seen(ref)).toBe('inert')
    await swept()
    expect(await seen(ref)).toBe('absent')
  })

  test('a running object without a record is adopted, and then ends as any other', async () => {
    const ref = await made(await gateway.core.deployment(), 3)
    await gateway.engine.release(ref, 1, call)
    await swept()
    expect(await gateway.record(key)).toMatchObject({ state: 'running', generation: 3, ref, specHash: 'h' })
    await gateway.service.cancel(ANYONE, key)
    await gateway.until(key, 'cancelled')
    expect(gateway.runs(key)).toBe(1)
  })

  test('a running object that another generation’s record does not explain is stopped', async () => {
    const ref = await made(await gateway.core.deployment())
    await gateway.engine.release(ref, 1, call)
    await gateway.service.submit(ANYONE, key, gateway.script(key, 'sleep 5'))
    const own = (await gateway.until(key, 'running')).ref ?? ''
    gateway.ahead += 10
    await gateway.cleanup()
    for (let n = 0; n < 40 && (await seen(ref)) !== 'ended'; n++) await new Promise((resolve) => setTimeout(resolve, 50))
    expect([await seen(ref), await seen(own)]).toEqual(['ended', 'running'])
    await gateway.service.delete(ANYONE, key)
  })

  test('what is another deployment’s is not touched', async () => {
    const here = await gateway.core.deployment()
    const ref = await made('another')
    await swept()
    expect(await gateway.core.deployment()).toBe(here)
    expect(await gateway.record(key)).toBeUndefined()
    expect(await seen(ref)).toBe('absent') // it is not ours to see
  })

  test('an engine that cannot be listed keeps nothing else from being done', async () => {
    await gateway.service.submit(ANYONE, key, gateway.script(key, 'exit 0'))
    const list = gateway.engine.list.bind(gateway.engine)
    Object.assign(gateway.engine, {
      list: () => {
        throw new Error('down')
      },
    })
    try {
      for (let n = 0; n < 40 && (await gateway.record(key))?.state !== 'succeeded'; n++) {
        gateway.ahead += 31_000
        await gateway.cleanup()
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      expect((await gateway.record(key))?.state).toBe('succeeded')
      expect(gateway.lines.some(({ event }) => event === 'cleanup failed for a compute')).toBe(true)
    } finally {
      Object.assign(gateway.engine, { list })
    }
  })
})
