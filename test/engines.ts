// Runs the suites of real engines that are already there: `npm run test:engines -- NAME…`; without names, of all that answer.
// The suites know by ENGINE which one it is about. `--probe NAME…` runs nothing, and ends with 0 if all of these answer.
// How to reach each is in $ENGINES_DIR/<name>/env (default /tmp/engines), or in the same variables, set by whoever starts this.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reach } from './engines/reach.ts'
import type { Reached } from './engines/reach.ts'
import { isGood, sumsOf, told } from './engines/report.ts'
import type { Sums } from './engines/report.ts'
import { ENGINES } from './engines/table.ts'

const ROOT = join(import.meta.dirname, '..')
const JEST = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js']

async function main([first, ...rest]: readonly string[]): Promise<number> {
  const isProbe = first === '--probe'
  const names = isProbe || first === undefined ? rest : [first, ...rest]
  const unknown = names.filter((name) => !Object.hasOwn(ENGINES, name))
  if (unknown.length > 0) {
    console.error(`there is no engine ${unknown.join(', ')}; known: ${Object.keys(ENGINES).join(', ')}`)
    return 2
  }
  const directory = process.env.ENGINES_DIR ?? '/tmp/engines'
  const wanted = Object.entries(ENGINES).filter(([name]) => names.length === 0 || names.includes(name))
  const reached = await Promise.all(wanted.map(([name, engine]) => reach(name, engine, process.env, directory)))
  const silent = reached.flatMap((one) => ('why' in one ? [`${one.name}: ${one.why}`] : []))
  if (names.length > 0 && silent.length > 0) {
    console.error(`asked for, and not there:\n  ${silent.join('\n  ')}`)
    return 1
  }
  if (isProbe) return 0

  const results: { name: string; sums: Sums }[] = []
  for (const one of reached) if ('engine' in one) results.push({ name: one.name, sums: await tested(one) })
  console.log(`\nengines that ran:\n${results.map(({ name, sums }) => `  ${name}: ${told(sums)}`).join('\n')}`)
  if (silent.length > 0) console.log(`engines that were left out:\n  ${silent.join('\n  ')}`)
  return results.every(({ sums }) => isGood(sums)) ? 0 : 1
}

/** Runs jest on the engine's suites, which print as they go. */
async function tested({ name, engine, variables }: Extract<Reached, { engine: unknown }>): Promise<Sums> {
  console.log(`\n== ${name}: ${engine.suites.join(' ')}`)
  const directory = await mkdtemp(join(tmpdir(), 'pman-engines-'))
  try {
    const output = join(directory, 'report.json')
    const words = [...JEST, ...engine.suites, '--selectProjects', ...(engine.projects ?? ['unit']), '--json', `--outputFile=${output}`]
    const child = spawn(process.execPath, words, { cwd: ROOT, env: { ...process.env, ...variables, ENGINE: name }, stdio: 'inherit' })
    await once(child, 'exit')
    return sumsOf(await readFile(output, 'utf8'))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

process.exitCode = await main(process.argv.slice(2))
