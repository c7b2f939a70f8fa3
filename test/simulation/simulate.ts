/**
 * npm run simulate -- [--seeds N] [--from S] [--profile NAME] [--jobs J] [--excuse NAME,NAME]
 *                  -- --seed S [--profile NAME]    one seed, each step in plain words
 *                  -- --variants                   the broken variants: each must be caught
 * Exit code 1 and the first failing seed on the last line, if anything that must never happen has happened.
 */
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { INVARIANTS, type Invariant } from './judge.ts'
import { PROFILES } from './profiles.ts'
import { addOutcome, addSums, noSums, told, type Sums } from './report.ts'
import { VARIANTS, tryVariant } from './variants.ts'
import { runWorld } from './world.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    profile: { type: 'string' },
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    excuse: { type: 'string', default: '' },
    variants: { type: 'boolean', default: false },
    part: { type: 'boolean', default: false },
  },
})

function natural(name: 'seeds' | 'from' | 'seed' | 'jobs'): number {
  const number = Number(values[name])
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${name}: a whole number from 1, not ${String(values[name])}`)
  return number
}

const { profile } = values
if (profile !== undefined && !PROFILES.some(({ name }) => name === profile)) {
  throw new Error(`--profile: one of ${PROFILES.map(({ name }) => name).join(', ')}, not ${profile}`)
}
const excused = new Set(values.excuse.split(',').filter((name): name is Invariant => Object.hasOwn(INVARIANTS, name)))

/** One seed after the other, in this process. */
async function runSeeds(from: number, seeds: number): Promise<Sums> {
  const sums = noSums()
  for (let seed = from; seed < from + seeds; seed++) addOutcome(sums, await runWorld({ seed, profile, excused }))
  return sums
}

/** As `runSeeds`, in a process of its own. */
function inChild(from: number, seeds: number): Promise<Sums> {
  const args = ['--part', '--from', String(from), '--seeds', String(seeds), '--excuse', values.excuse]
  const child = fork(import.meta.filename, profile === undefined ? args : [...args, '--profile', profile])
  return new Promise((resolve, reject) => {
    child.once('message', (sums) => resolve(sums as Sums))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`a part of the simulation ended with ${String(code)}`)))
  })
}

async function runAll(): Promise<void> {
  const begun = Date.now()
  const [from, seeds, jobs] = [natural('from'), natural('seeds'), natural('jobs')]
  const share = Math.ceil(seeds / jobs)
  const parts = Array.from({ length: jobs }, (_, part) => ({ from: from + part * share, seeds: Math.min(share, seeds - part * share) }))
  const sums = noSums()
  for (const part of await Promise.all(parts.filter((one) => one.seeds > 0).map((one) => inChild(one.from, one.seeds)))) addSums(sums, part)
  console.log([...told(sums), `${Math.round((Date.now() - begun) / 1000)} s`].join('\n'))
  if (excused.size > 0) console.log(`passed over: ${[...excused].join(', ')}`)
  const [failed] = sums.failed
  if (failed === undefined) return
  process.exitCode = 1
  console.log(`failing seed: ${failed.seed}`)
}

if (values.part) {
  const sums = await runSeeds(natural('from'), natural('seeds'))
  process.send?.(sums)
} else if (values.seed !== undefined) {
  const seed = natural('seed')
  const { violation } = await runWorld({ seed, profile, excused, say: (line) => console.log(line) })
  if (violation !== undefined) {
    process.exitCode = 1
    console.log(`failing seed: ${seed}`)
  }
} else if (values.variants) {
  for (const [name, variant] of Object.entries(VARIANTS)) {
    const caught = await tryVariant(variant)
    console.log(caught === undefined ? `MISSED   ${name}` : `caught   ${name}: ${caught.told} (seed ${caught.seed})`)
    if (variant.why !== undefined) console.log(`         ${variant.why}`)
    if (caught === undefined) process.exitCode = 1
  }
} else await runAll()
