import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { groupLives, identify, isAlive, leaderOf, signalGroup, signalProcess } from '../../../lib/backends/local/processes.mjs'
import type { Identity } from '../../../lib/backends/local/processes.mjs'
import { testIf } from '../../support/skip.ts'
import { until } from './site.ts'

const children: ChildProcess[] = []
afterEach(() => {
  for (const { pid } of children.splice(0)) {
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
})

interface Started {
  identity: Identity
  /** The first thing that it printed. */
  line: string
  exit: Promise<unknown>
}

async function run(script: string, program = 'sh', args = ['-c', script], cwd = '/'): Promise<Started> {
  const child = spawn(program, args, { detached: true, cwd, stdio: ['ignore', 'pipe', 'ignore'] })
  children.push(child)
  const exit = once(child, 'exit')
  await once(child, 'spawn')
  const identity = identify(child.pid ?? 0)
  if (identity === undefined) throw new Error('no identity')
  const line = script.includes('echo') ? String((await once(child.stdout, 'data'))[0]).trim() : ''
  return { identity, line, exit }
}

test('a process is told from a later one with its pid', async () => {
  const { identity, exit } = await run('exec sleep 60')
  expect(identify(identity.pid)).toEqual(identity)
  expect(isAlive(identity)).toBe(true)
  const earlier = { ...identity, start: `${identity.start}0` }
  expect(isAlive(earlier)).toBe(false)
  expect(groupLives(earlier)).toBe(false)
  signalProcess(earlier, 'SIGKILL')
  signalGroup(earlier, 'SIGKILL')
  expect(isAlive(identity)).toBe(true)
  signalProcess(identity, 'SIGKILL')
  await exit
  expect(isAlive(identity)).toBe(false)
  expect(groupLives(identity)).toBe(false)
  expect(identify(identity.pid)).toBeUndefined()
})

test('a group lives on without its leader, and dies with its last process', async () => {
  const { identity, exit } = await run('sleep 60 & echo x')
  await exit
  expect(isAlive(identity)).toBe(false)
  expect(groupLives(identity)).toBe(true)
  signalGroup(identity, 'SIGTERM')
  await until(async () => groupLives(identity), (lives) => !lives)
})

test('of another boot or another pid namespace, no group is ours', async () => {
  const { identity, exit } = await run('sleep 60 & echo x')
  await exit
  const elsewhere = { pid: identity.pid, start: `other${identity.start}` }
  expect(groupLives(elsewhere)).toBe(false)
  signalGroup(elsewhere, 'SIGKILL')
  expect(groupLives(identity)).toBe(true)
})

test('what nobody has waited for is not alive', async () => {
  const { line } = await run('sleep 0.2 & echo $!; exec sleep 60')
  const identity = identify(Number(line))
  if (identity === undefined) throw new Error('no identity')
  expect(isAlive(identity)).toBe(true)
  await until(async () => isAlive(identity), (alive) => !alive)
  expect(identify(identity.pid)).toEqual(identity)
})

const linux = process.platform === 'linux'

testIf(linux, 'only Linux numbers sessions', 'what has a group of its own in the session is a part of the job', async () => {
  const { identity, exit } = await run('set -m; sleep 60 & echo x')
  await exit
  expect(groupLives(identity)).toBe(true)
  signalGroup(identity, 'SIGKILL')
  await until(async () => groupLives(identity), (lives) => !lives)
})

testIf(linux, 'only Linux tells where a process works', 'the leader of what works in a directory', async () => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'pman-work-')))
  expect(leaderOf(directory, '/none')).toBeUndefined()
  const { identity } = await run('sleep 60', 'sh', ['-c', 'sleep 60'], directory)
  expect(leaderOf(directory, '/none')).toEqual(identity)
  await rm(directory, { recursive: true })
})

testIf(linux, 'only Linux has /proc', 'a program may have any name', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pman-name-'))
  const program = join(directory, 'x) Z 1 (')
  await copyFile('/bin/sleep', program)
  const { identity } = await run('', program, ['60'])
  expect(isAlive(identity)).toBe(true)
  expect(groupLives(identity)).toBe(true)
  await rm(directory, { recursive: true })
})
