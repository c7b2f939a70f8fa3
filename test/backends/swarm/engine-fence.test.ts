import { jest } from '@jest/globals'
import type { Backend, Call } from '../../../lib/backends/contract.ts'
import { call } from '../../contract/backend/bench.ts'
import { describeOnSwarm } from './engine.ts'
import { witness } from './witness.ts'
import type { Witness } from './witness.ts'

jest.setTimeout(120_000)

describeOnSwarm('the fence of a real swarm', ({ bench, trial, open, ask, idOf }) => {
  let watched: Witness
  let driver: Backend
  beforeEach(async () => {
    watched = await witness((process.env.DOCKER_HOST ?? '').replace('unix://', ''))
    driver = open({ host: watched.host })
  })
  afterEach(() => watched.close())

  /** A call that is given up at once after the update was sent. */
  const impatient = (): Call => ({ ...call(), signal: AbortSignal.timeout(1500) })
  const last = () => {
    const update = watched.updates.at(-1)
    if (update === undefined) throw new Error('no update was sent')
    return update
  }
  const OUTDATED = { status: 500, text: expect.stringContaining('out of sequence') as string }

  test('an update that is delivered again, while the job runs and after its end, is refused', async () => {
    const made = await trial('while [ ! -e /share/outgoing/go ]; do sleep 0.1; done', { workers: 2 })
    const ref = await bench.create(made)
    await driver.release(ref, 1, call())
    expect(await last().deliver()).toEqual(OUTDATED)
    await bench.until(made.runs, (runs) => runs === 2)
    expect(await last().deliver()).toEqual(OUTDATED)
    await made.put('go')
    await bench.end(ref)
    expect(await last().deliver()).toEqual(OUTDATED)
    expect(await bench.runsAfterAll(made)).toBe(2)
  })

  test('an update that arrives after the job was stopped does not find it', async () => {
    const made = await trial('exit 0')
    const ref = await bench.create(made)
    watched.fate = 'hold'
    await expect(driver.release(ref, 1, impatient())).rejects.toThrow()
    await bench.gone('stop', ref)
    expect((await last().deliver()).status).toBe(404)
    expect(await bench.runsAfterAll(made)).toBe(0)
  })

  test('an update that arrives while the job is being stopped is refused', async () => {
    const made = await trial('exit 0')
    const ref = await bench.create(made)
    watched.fate = 'hold'
    await expect(driver.release(ref, 1, impatient())).rejects.toThrow()
    const release = last()
    // This stop comes as far as its own update, and waits for the answer.
    watched.fate = 'lose the answer'
    await expect(driver.stop(ref, call())).rejects.toThrow()
    expect(await bench.look(ref)).toMatchObject({ kind: 'state', phase: 'withdrawn' })
    expect(await release.deliver()).toEqual(OUTDATED)
    await bench.backend.release(ref, 2, call())
    expect(await bench.runsAfterAll(made)).toBe(0)
    await bench.gone('stop', ref)
  })

  test('a release whose answer was lost is not sent again', async () => {
    const made = await trial('exit 0')
    const ref = await bench.create(made)
    watched.fate = 'lose the answer'
    await expect(driver.release(ref, 1, call())).rejects.toThrow()
    watched.fate = 'pass'
    await driver.release(ref, 2, call())
    expect(watched.updates).toHaveLength(1)
    await bench.end(ref)
    await driver.release(ref, 3, call())
    expect(watched.updates).toHaveLength(1)
    expect(await bench.runsAfterAll(made)).toBe(1)
  })

  test('two attempts, the first of which arrives last: it runs once', async () => {
    const made = await trial('exit 0')
    const ref = await bench.create(made)
    watched.fate = 'hold'
    await expect(driver.release(ref, 1, impatient())).rejects.toThrow()
    await bench.backend.release(ref, 2, call())
    expect(await last().deliver()).toEqual(OUTDATED)
    await bench.end(ref)
    expect(await bench.runsAfterAll(made)).toBe(1)
  })

  test.each([0, 20, 100, 300])('stopped %i ms after its release, while it starts: all of it ends', async (wait) => {
    const made = await trial('while :; do echo tick >>/share/outgoing/ticks; sleep 0.1; done', { workers: 3 })
    const ref = await bench.create(made)
    await bench.backend.release(ref, 1, call())
    await new Promise((resolve) => setTimeout(resolve, wait))
    await bench.gone('stop', ref)
    const before = (await made.output('ticks')).length
    await bench.watch()
    expect((await made.output('ticks')).length).toBe(before)
    expect(await bench.look(ref)).toEqual({ kind: 'absent' })
    expect((await ask('GET', `/services/${idOf(ref)}`)).status).toBe(404)
  })
})
