import { jest } from '@jest/globals'
import { INVARIANTS } from './judge.ts'
import { PROFILES } from './profiles.ts'
import { VARIANTS, tryVariant } from './variants.ts'
import { runWorld, type Outcome } from './world.ts'

/** `npm run simulate` runs many more. */
const SEEDS = Number(process.env.SIM_SEEDS ?? 2000)

jest.setTimeout(300_000)

async function run(seeds: number, options: { profile?: string; calm?: boolean } = {}): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (let seed = 1; seed <= seeds; seed++) outcomes.push(await runWorld({ seed, ...options }))
  return outcomes
}
const failures = (outcomes: readonly Outcome[]): string[] =>
  outcomes.flatMap(({ seed, profile, violation }) => (violation === undefined ? [] : [`seed ${seed} (${profile}): ${violation.message}`]))

describe('whatever goes wrong between the functions, the table and the engine', () => {
  test(`nothing happens that must never happen, in ${SEEDS} seeds`, async () => {
    const outcomes = await run(SEEDS)
    expect(failures(outcomes)).toEqual([])
    expect(outcomes.reduce((sum, { starts }) => sum + starts, 0)).toBeGreaterThan(SEEDS)
  })

  test('one seed is one history', async () => {
    const told = async (): Promise<string> => {
      const lines: string[] = []
      await runWorld({ seed: 7, say: (line) => lines.push(line) })
      return lines.join('\n')
    }
    const first = await told()
    expect(first.split('\n').length).toBeGreaterThan(100)
    expect(await told()).toBe(first)
  })

  test.each(PROFILES.map(({ name }) => name))('%s: where nothing goes wrong, no window is used, and nothing is given up', async (profile) => {
    const outcomes = await run(20, { profile, calm: true })
    expect(failures(outcomes)).toEqual([])
    for (const { windows, ends, faults } of outcomes) {
      expect({ windows, faults }).toEqual({ windows: {}, faults: {} })
      expect(Object.keys(ends).filter((end) => /lost|Exhausted|Rejected|Outside/.test(end))).toEqual([])
    }
  })
})

describe('a broken rule is caught', () => {
  test.each(Object.keys(VARIANTS))('%s', async (name) => {
    const variant = VARIANTS[name]
    if (variant === undefined) throw new Error('no such variant')
    const caught = await tryVariant(variant)
    expect(Object.keys(INVARIANTS)).toContain(caught?.told.split(':')[0])
  })

  test('where each is looked for, the code as it is does nothing wrong', async () => {
    for (const variant of Object.values(VARIANTS)) expect(await tryVariant({ ...variant, broken: undefined, within: 60 })).toBeUndefined()
  })

  const covered = Object.entries(VARIANTS).flatMap(([name, variant]) => (variant.alone ?? []).map((broken, part) => [name, part + 1, { ...variant, broken }] as const))
  test.each(covered)('%s: its part %i alone is harmless, since the other covers it', async (_name, _part, variant) => {
    expect(await tryVariant({ ...variant, within: 200 })).toBeUndefined()
  })

  test('a window of an engine that is used is counted and excused, and only there', async () => {
    const steer = { rates: { 'controller crash': 0.5, 'engine call late': 0.4 } }
    const used = new Map<string, number>()
    for (let seed = 1; seed <= 300; seed++) {
      const { windows, violation } = await runWorld({ seed, profile: 'slurm', steer })
      expect(violation).toBeUndefined()
      for (const [name, count] of Object.entries(windows)) used.set(name, (used.get(name) ?? 0) + count)
    }
    expect([...used.keys()]).toEqual(PROFILES.find(({ name }) => name === 'slurm')?.windows)
  })
})
