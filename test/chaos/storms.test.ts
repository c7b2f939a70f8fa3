import { randomInt } from 'node:crypto'
import { jest } from '@jest/globals'
import { render } from '../../lib/dialects/pman/render.ts'
import { isFinal } from '../../lib/jobs/lifecycle.ts'
import type { JobKey } from '../../lib/jobs/types.ts'
import { Random } from '../simulation/random.ts'
import { ANYONE, testGateway, type Gateway } from '../support/gateway.ts'
import { ALONE, BEATING } from './heartbeat.ts'
import { held, outcome, pause, race, runsByName, traced, unsteady, within } from './race.ts'

/** The same seed draws the same operations at the same moments; who wins is the machine's matter. */
const SEED = Number(process.env.STORM_SEED ?? randomInt(2 ** 31))
const RACES = 24
/** Races that take place at once, on one table and one engine. */
const AT_ONCE = 4
const ROUNDS = 100

// how long all that takes is the machine's matter too, and no request is to run out of time
jest.setTimeout(180_000)
const REQUEST_BUDGET = 25_000

let gateway: Gateway
let key: JobKey
beforeAll(async () => {
  gateway = await testGateway(
    {},
    {
      requestBudget: REQUEST_BUDGET,
      lease: 120,
      backoffLeast: 20,
      backoffGreatest: 100,
      dispatchBudget: 3000,
      reconcileAfter: 1,
      sweepEvery: 1,
      leftoverGrace: 200,
    },
  )
})
beforeEach(() => {
  gateway.engine.mend()
  gateway.dispatches = false
  key = gateway.key()
})
afterAll(() => gateway.stop())

const times = <T>(count: number, ask: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => ask(n)))
const submit = (script: string) => gateway.service.submit(ANYONE, key, traced(gateway, key, script))
const cleared = (): Promise<boolean> =>
  within(ROUNDS, gateway, async () => {
    const record = await gateway.record(key)
    return record?.state === 'deleted' && record.previous.length === 0 && (await held(gateway, key)).length === 0
  })
const ended = (): Promise<boolean> => within(ROUNDS, gateway, async () => isFinal((await gateway.record(key))?.state ?? 'deleted'))

describe('submissions at once', () => {
  test('64 identical ones make one job, and answer alike', async () => {
    const answers = await times(64, () => submit('echo hello; exit 3'))
    expect(new Set(answers.map((answer) => JSON.stringify([answer.record.engineName, answer.record.generation, answer.argv]))).size).toBe(1)
    const shown = answers.map((answer) => render(answer))
    expect(new Set(shown.map((job) => JSON.stringify({ ...job, message: '' }))).size).toBe(1)
    expect(shown.map(({ message }) => message).filter((message) => !/^(submitting|submitted)/.test(message))).toEqual([])
    expect(await gateway.until(key, 'failed')).toMatchObject({ exitCode: 3 })
    expect(runsByName(gateway, key)).toEqual([answers[0]?.record.engineName])
    expect((await held(gateway, key)).length).toBe(1)
  })

  test('64 different ones for one jid: one wins, the rest are conflicts', async () => {
    const results = await times(64, (n) => outcome(submit(`echo ${n}`)))
    const won = results.flatMap((result, n) => ('answer' in result ? [n] : []))
    expect(won.length).toBe(1)
    expect(results.filter((result) => 'code' in result && result.code === 'conflict').length).toBe(63)
    await gateway.until(key, 'succeeded')
    const { log, record } = await gateway.service.status(ANYONE, key)
    expect([record.generation, Buffer.from(log).toString()]).toEqual([1, `${won[0] ?? ''}\n`])
    expect(runsByName(gateway, key)).toEqual([record.engineName])
  })

  test('64 identical ones right after a delete make one new job, which begins once the old one has ended', async () => {
    await submit(`trap '' TERM; ${BEATING}`)
    while (gateway.output(key, 'beats') === '') await pause(20)
    const deleted = gateway.service.delete(ANYONE, key)
    while ((await gateway.record(key))?.state !== 'deleted') await pause(5)
    const answers = await times(64, () => submit(ALONE))
    await deleted
    gateway.dispatches = true
    const names = new Set(answers.map(({ record }) => record.engineName))
    expect([names.size, answers[0]?.record.generation]).toEqual([1, 2])
    expect(await ended()).toBe(true)
    expect(await gateway.record(key)).toMatchObject({ state: 'succeeded', generation: 2, previous: [] })
    const runs = runsByName(gateway, key)
    expect([runs.length, runs.at(-1)]).toEqual([2, [...names][0]])
    expect((await held(gateway, key)).map(({ engineName }) => engineName)).toEqual([...names])
  })
})

describe('submit, cancel and delete at once: never two runs of one generation, and nothing left after a delete', () => {
  test.each([0, 15, 30, 60, 120])('8 of each, %i ms one after the other', async (apart) => {
    gateway.dispatches = true
    const asked = await Promise.all([
      times(8, (n) => pause(n * apart).then(() => outcome(submit('sleep 30')))),
      times(8, (n) => pause(n * apart).then(() => outcome(gateway.service.cancel(ANYONE, key)))),
      times(8, (n) => pause(n * apart).then(() => outcome(gateway.service.delete(ANYONE, key)))),
    ])
    const codes = asked.flat().flatMap((result) => ('code' in result ? [result.code] : []))
    expect(codes.filter((code) => code !== 'not_found')).toEqual([])
    expect(asked[0].every((result) => 'answer' in result)).toBe(true)
    await gateway.service.delete(ANYONE, key)
    expect(await cleared()).toBe(true)
    const runs = runsByName(gateway, key)
    expect(new Set(runs).size).toBe(runs.length)
    expect(await outcome(gateway.service.status(ANYONE, key))).toEqual({ code: 'not_found' })
  })

  test('delete and resubmit, again and again, each at once with the last one’s end: every generation runs once', async () => {
    gateway.dispatches = true
    const names = []
    for (let generation = 1; generation <= 6; generation++) {
      const { record } = await submit('sleep 30')
      expect(record.generation).toBe(generation)
      names.push(record.engineName)
      // a job that runs may not have come to its first line yet
      const hasRun = await within(ROUNDS, gateway, async () => {
        await gateway.service.status(ANYONE, key)
        return runsByName(gateway, key).includes(record.engineName)
      })
      expect(hasRun).toBe(true)
      await gateway.service.delete(ANYONE, key)
    }
    expect(await cleared()).toBe(true)
    expect(runsByName(gateway, key)).toEqual(names)
  })
})

describe('cleanup and pollers', () => {
  test('two cleanups and 50 pollers at once, until the end: one end, one log, no more looks than the engine bears', async () => {
    await submit('echo hello; sleep 1; exit 3')
    const before = { at: Date.now(), looks: gateway.engine.calls.observe }
    for (let over = false; !over; ) {
      const [shown] = await Promise.all([times(50, () => gateway.service.status(ANYONE, key)), gateway.cleanup(), gateway.cleanup()])
      expect(shown.filter(({ record }) => !['submitted', 'running', 'failed'].includes(record.state))).toEqual([])
      const finals = shown.filter(({ record }) => isFinal(record.state))
      expect(finals.filter(({ record, log }) => record.exitCode !== 3 || Buffer.from(log).toString() !== 'hello\n')).toEqual([])
      over = finals.length > 0
    }
    const passed = Date.now() - before.at
    expect(gateway.engine.calls.observe - before.looks).toBeLessThanOrEqual(1 + Math.ceil(passed / gateway.engine.pollInterval))
    const record = await gateway.record(key)
    expect(record?.history.map(({ write }) => write).filter((write) => write === 'end')).toEqual(['end'])
    expect(runsByName(gateway, key)).toEqual([record?.engineName])
  })
})

describe(`races, drawn with STORM_SEED=${SEED}`, () => {
  const hands = Array.from({ length: RACES / AT_ONCE }, (_, n) => SEED + n)
  beforeEach(() => {
    gateway.dispatches = true
  })

  test.each(hands)(`${AT_ONCE} at once, by seed %i`, async (seed) => {
    const random = new Random(seed)
    unsteady(gateway, random)
    const keys = Array.from({ length: AT_ONCE }, () => gateway.key())
    expect(await Promise.all(keys.map((each) => race(gateway, each, new Random(random.between(0, 2 ** 31)))))).toEqual(keys.map(() => []))
    gateway.engine.mend()
    for (key of keys) {
      const before = await gateway.record(key)
      if (before !== undefined && before.state !== 'deleted') await expectNoSecondRun()
      expect(await outcome(gateway.service.delete(ANYONE, key))).toEqual({ answer: undefined })
      expect(await cleared()).toBe(true)
      const runs = runsByName(gateway, key)
      expect(runs).toEqual([...new Set(runs)])
    }
  })

  /** The job that is left ends by itself or is cancelled; a job with an end of its own ran once, and its log is that run's. */
  async function expectNoSecondRun(): Promise<void> {
    const isOver = async (): Promise<boolean> => isFinal((await gateway.record(key))?.state ?? 'deleted')
    if (!(await within(40, gateway, isOver))) await gateway.service.cancel(ANYONE, key)
    expect(await ended()).toBe(true)
    const { record, log, argv } = await gateway.service.status(ANYONE, key)
    const runs = runsByName(gateway, key).filter((name) => name === record.engineName)
    expect(runs.length).toBeLessThanOrEqual(1)
    if (record.state === 'cancelled') return
    expect(runs.length).toBe(1)
    const [, letter = ''] = /^echo (\w);/m.exec(argv[2] ?? '') ?? []
    expect({ state: record.state, exitCode: record.exitCode, log: Buffer.from(log).toString() }).toEqual({
      state: letter === 'a' ? 'failed' : 'succeeded',
      exitCode: letter === 'a' ? 3 : 0,
      log: `${letter}\n`,
    })
  }
})
