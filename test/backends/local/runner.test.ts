import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { testIf } from '../../support/skip.ts'
import { call, ended, job, look, makeSite, names, pidsOf, put, sh, start, until, written } from './site.ts'
import type { Site } from './site.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const RUNNER = join(ROOT, 'lib', 'backends', 'local', 'runner.mjs')

let site: Site
const bystanders: ChildProcess[] = []
beforeEach(async () => void (site = await makeSite()))
afterEach(async () => {
  for (const child of bystanders.splice(0)) child.kill('SIGKILL')
  for (const ref of await names(site.jobs)) {
    if (!ref.startsWith('.')) await until(() => site.backend.remove(ref, call()), (answer) => answer === 'gone')
  }
  await site.close()
})

const running = { kind: 'state', phase: 'running' }
const lost = { kind: 'state', phase: 'ended', reason: 'HostLost' }
const TICK = 'while :; do echo tick >>ticks; sleep 0.05; done'
const DEAF = `trap '' TERM; ${TICK}`
const ticks = (ref: string) => written(join(site.jobs, ref, 'work', 'ticks'))
const gone = (ref: string) => until(() => site.backend.stop(ref, call()), (answer) => answer === 'gone')

async function startTicking(script = TICK): Promise<{ ref: string; pids: Awaited<ReturnType<typeof pidsOf>> }> {
  const ref = await start(site.backend, job(sh(script)))
  await ticks(ref)
  return { ref, pids: await pidsOf(site, ref) }
}

async function hasStopped(ref: string): Promise<void> {
  const before = await ticks(ref)
  await delay(300)
  expect(await ticks(ref)).toBe(before)
}

async function runRunner(...args: string[]): Promise<unknown> {
  const child = spawn(process.execPath, [RUNNER, ...args], { env: {}, stdio: 'ignore' })
  return (await once(child, 'exit'))[0]
}

describe('the job needs nobody', () => {
  test('it survives whoever released it', async () => {
    const ref = await site.backend.create(job(sh('sleep 1; exit 7')), undefined, call())
    const args = ['--import', 'tsx', join(import.meta.dirname, 'release-and-wait.ts'), site.jobs, site.storebase, ref]
    const gateway = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
    expect(String((await once(gateway.stdout, 'data'))[0])).toBe('released\n')
    // The whole group, as a terminal does.
    process.kill(-(gateway.pid ?? 0), 'SIGKILL')
    await once(gateway, 'exit')
    expect(await look(site.backend, ref)).toMatchObject(running)
    expect(await ended(site.backend, ref)).toMatchObject({ reason: 'NonZeroExit', exitCode: 7 })
  }, 20_000)

  test('without its runner it goes on, and is lost at its end', async () => {
    const { ref, pids } = await startTicking()
    process.kill(pids.runner, 'SIGKILL')
    await delay(200)
    expect(await look(site.backend, ref)).toMatchObject(running)
    process.kill(-pids.job, 'SIGKILL')
    expect(await ended(site.backend, ref)).toMatchObject(lost)
  })

  test('without its runner it can still be stopped, at once or by force', async () => {
    for (const script of [TICK, DEAF]) {
      const { ref, pids } = await startTicking(script)
      process.kill(pids.runner, 'SIGKILL')
      await gone(ref)
      expect(await look(site.backend, ref)).toMatchObject(lost)
      await hasStopped(ref)
    }
  })

  const linux = process.platform === 'linux'
  testIf(linux, 'only Linux tells where a process works', 'a runner that was killed before it wrote down what it started', async () => {
    const { ref, pids } = await startTicking(DEAF)
    process.kill(pids.runner, 'SIGKILL')
    await rm(join(site.jobs, ref, 'started.json'))
    await delay(100)
    expect(await look(site.backend, ref)).toMatchObject(running)
    await gone(ref)
    await hasStopped(ref)
    expect(await look(site.backend, ref)).toMatchObject(lost)
  })

  test('a runner that is suspended stops nothing, and holds nothing up for ever', async () => {
    const { ref, pids } = await startTicking()
    process.kill(pids.runner, 'SIGSTOP')
    expect(await site.backend.stop(ref, call())).toBe('going')
    expect(await look(site.backend, ref)).toMatchObject({ kind: 'state', phase: 'stopping' })
    await gone(ref)
    await hasStopped(ref)
  }, 20_000)
})

describe('a pid that is another process\'s by now', () => {
  test('is neither the runner nor the job, and is left alone', async () => {
    const { ref, pids } = await startTicking()
    process.kill(pids.runner, 'SIGKILL')
    process.kill(-pids.job, 'SIGKILL')
    const other = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    bystanders.push(other)
    const file = JSON.parse(await readFile(join(site.jobs, ref, 'started.json'), 'utf8')) as { process: { start: string } }
    const identity = { pid: other.pid, start: file.process.start }
    await put(site, ref, 'started.json', { process: identity, startedAt: 1 })
    await put(site, ref, 'claim.json', { by: 'runner', runner: identity, at: 1 })
    await until(() => look(site.backend, ref), (seen) => seen.kind === 'state' && seen.phase === 'ended')
    expect(await site.backend.stop(ref, call())).toBe('gone')
    await delay(100)
    expect([other.exitCode, other.signalCode]).toEqual([null, null])
  })
})

describe('SIGTERM, then SIGKILL', () => {
  test('one stop is enough: the runner sees it through', async () => {
    const { ref } = await startTicking(DEAF)
    expect(await site.backend.stop(ref, call())).toBe('going')
    expect(await ended(site.backend, ref)).toMatchObject({ reason: 'KilledBySignal', exitCode: 137 })
    await hasStopped(ref)
  })

  test('a job that heeds SIGTERM tells its own exit code', async () => {
    const { ref } = await startTicking(`trap 'exit 9' TERM; ${TICK}`)
    await gone(ref)
    expect(await look(site.backend, ref)).toMatchObject({ reason: 'NonZeroExit', exitCode: 9 })
  })

  test('a job that does not heed its time limit is killed', async () => {
    const ref = await start(site.backend, job(sh(DEAF), { limits: { cpu: 0, memory: 0, gpu: 0, time: 1 } }))
    expect(await ended(site.backend, ref)).toMatchObject({ reason: 'TimeLimit', exitCode: 137 })
    await hasStopped(ref)
  })

  test('a time limit of a year is no shorter', async () => {
    const ref = await start(site.backend, job(sh('sleep 0.5; exit 4'), { limits: { cpu: 0, memory: 0, gpu: 0, time: 31_536_000 } }))
    expect(await ended(site.backend, ref)).toMatchObject({ reason: 'NonZeroExit', exitCode: 4 })
  })

  test('a job whose folder was deleted under it is ended', async () => {
    const { ref, pids } = await startTicking()
    await rm(join(site.jobs, ref), { recursive: true })
    process.kill(pids.runner, 'SIGTERM')
    const alive = (pid: number) => {
      try {
        return process.kill(pid, 0)
      } catch {
        return false
      }
    }
    await until(async () => [pids.runner, pids.job].some(alive), (any) => !any)
    expect(await look(site.backend, ref)).toEqual({ kind: 'absent' })
  })
})

describe('the claim', () => {
  test('of twenty runners at once, one has the job', async () => {
    const ref = await site.backend.create(job(sh('echo run >>../../../runs; exit 0')), undefined, call())
    expect(await Promise.all(Array.from({ length: 20 }, () => runRunner(join(site.jobs, ref))))).toEqual(Array(20).fill(0))
    await ended(site.backend, ref)
    expect(await readFile(join(site.root, 'runs'), 'utf8')).toBe('run\n')
    expect(await names(join(site.jobs, ref))).toEqual(['claim.json', 'end.json', 'job.json', 'log', 'started.json', 'work'])
  }, 20_000)

  test('of runners and stops at once, one has the job', async () => {
    for (let round = 0; round < 5; round++) {
      const ref = await site.backend.create(job(sh(`echo run >>${site.root}/runs-${round}; sleep 60`)), undefined, call())
      const stopping = delay(15 * round).then(() => site.backend.stop(ref, call()))
      await Promise.all([runRunner(join(site.jobs, ref)), runRunner(join(site.jobs, ref)), stopping, gone(ref)])
      const seen = await look(site.backend, ref)
      expect(seen).toMatchObject({ kind: 'state', phase: expect.stringMatching(/^(withdrawn|ended)$/) as string })
      const runs = await readFile(join(site.root, `runs-${round}`), 'utf8').catch(() => '')
      expect(['', 'run\n']).toContain(runs)
      if (seen.kind === 'state' && seen.phase === 'withdrawn') expect(runs).toBe('')
    }
  }, 20_000)

  test('a late runner starts nothing: in a folder that is not there, is claimed, or was moved away', async () => {
    const ref = await site.backend.create(job(sh(`echo run >>${site.root}/runs`)), undefined, call())
    const folder = join(site.jobs, ref)
    expect(await runRunner(join(site.jobs, 'none.0'))).toBe(0)
    expect(await site.backend.stop(ref, call())).toBe('gone')
    expect(await runRunner(folder)).toBe(0)
    await cp(folder, join(site.root, 'moved'), { recursive: true })
    expect(await site.backend.remove(ref, call())).toBe('gone')
    expect(await runRunner(folder)).toBe(0)
    expect(await runRunner(join(site.root, 'moved'))).toBe(0)
    expect(await names(site.root)).not.toContain('runs')
    expect(await names(site.jobs)).not.toContain(ref)
  })
})
