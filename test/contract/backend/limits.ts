import { testIf } from '../../support/skip.ts'
import type { Bench } from './bench.ts'
import type { BackendHarness } from './harness.ts'

/**
 * A job that runs longer than it may, begun before the tests of `meanwhile` and looked at after them: where limits are whole minutes, and
 * enforced now and then, nobody has to wait for it alone.
 */
export function overrunsItsLimit(bench: Bench, { supports }: BackendHarness, meanwhile: () => void): void {
  let begun: Awaited<ReturnType<typeof begin>> | undefined
  beforeAll(async () => void (begun = supports.timeLimit ? await begin(bench.beside()) : undefined))

  meanwhile()

  testIf(supports.timeLimit, 'the engine has no time limit', 'a job that runs too long is ended, with all its processes', async () => {
    if (begun === undefined) throw new Error('it has not begun')
    const { beside, trial, ref } = begun
    expect(await beside.end(ref)).toMatchObject({ reason: 'TimeLimit' })
    const ticks = (await trial.output('ticks')).length
    expect(ticks).toBeGreaterThan(0)
    expect(await beside.runsAfterAll(trial)).toBe(1)
    expect((await trial.output('ticks')).length).toBe(ticks)
  })

  afterAll(() => begun?.beside.clear())
}

async function begin(beside: Bench) {
  const trial = await beside.trial('(while :; do echo tick >>/share/outgoing/ticks; sleep 0.1; done) & sleep 600', { timeLimit: 1 })
  return { beside, trial, ref: await beside.start(trial) }
}
