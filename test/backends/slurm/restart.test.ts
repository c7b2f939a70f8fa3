import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { jest } from '@jest/globals'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import type { Backend } from '../../../lib/backends/contract.ts'
import { siteOrNone, slurmGround } from '../../contract/backend/slurm-harness.ts'
import type { Ground } from '../../contract/backend/slurm-harness.ts'
import { describeIf } from '../../support/skip.ts'
import { call, clear, deploymentId, ended, look, made, phase, until } from './site.ts'

/** A cluster whose daemons are this machine's, as slurm-up.sh starts them: their pids lie beside the configuration. */
const conf = process.env.SLURM_CONF ?? ''
const pidFile = join(dirname(conf), 'run/slurm/slurmctld.pid')
const site = siteOrNone()
const mayRestart = site.url !== '' && conf !== '' && existsSync(pidFile) && process.getuid?.() === 0
jest.setTimeout(400_000)

const slurm = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
const pid = (): number => Number(readFileSync(pidFile, 'utf8'))

/** Ends the controller, and waits until it is gone. */
async function kill(signal: NodeJS.Signals): Promise<void> {
  const old = pid()
  process.kill(old, signal)
  await until(async () => existsSync(`/proc/${old}`) && !readFileSync(`/proc/${old}/stat`, 'utf8').includes(') Z '), (alive) => !alive)
}

async function start(): Promise<void> {
  const words = ['--reuid', 'slurm', '--regid', 'slurm', '--init-groups', 'slurmctld']
  const child = spawn('setpriv', words, { cwd: '/', stdio: 'ignore', detached: true })
  child.unref()
  const up = async (): Promise<boolean> => {
    try {
      return slurm('scontrol', 'ping').includes('is UP') && !/\b(unk|down|drain)/.test(slurm('sinfo', '-h', '-o', '%t'))
    } catch {
      return false
    }
  }
  await until(up, (answer) => answer)
}

const reason = 'no controller that may be restarted: as root, with SLURM_CONF of a cluster of slurm-up.sh'
describeIf(mayRestart, reason, 'slurm: the controller goes away', () => {
  const deployment = deploymentId()
  let ground: Ground
  let backend: Backend
  beforeAll(async () => {
    ground = await slurmGround(site)
    backend = ground.open(deployment)
    await backend.health(call())
  })
  afterEach(() => clear(backend))
  afterAll(() => ground.tearDown())

  test('it is down: nothing is a state, and nothing a refusal; what was made before is there when it is back', async () => {
    const { job, output } = await made(ground, deployment, 'exit 0')
    const ref = await backend.create(job, undefined, call())
    await kill('SIGTERM')
    try {
      const late = AbortSignal.timeout(2000)
      const [seen, create, release, stop, health] = await Promise.allSettled([
        look(backend, ref),
        backend.create(job, undefined, call()),
        backend.release(ref, 1, call()),
        backend.stop(ref, call()),
        backend.health(call()),
        backend.observe([ref], { ...call(), signal: late }),
      ])
      expect(seen).toMatchObject({ value: { kind: 'unknown' } })
      for (const answer of [create, release, stop, health]) {
        expect(answer).toMatchObject({ status: 'rejected' })
        expect((answer as PromiseRejectedResult).reason).not.toBeInstanceOf(EngineRejected)
      }
    } finally {
      await start()
    }
    expect(await look(backend, ref)).toEqual({ kind: 'inert' })
    await backend.release(ref, 2, call())
    expect(await ended(backend, ref)).toMatchObject({ reason: 'Completed' })
    expect(await output('runs')).toBe('run\n')
  })

  test('it is restarted while a job runs: the job runs on, once', async () => {
    const { job, output } = await made(ground, deployment, 'sleep 8; exit 4')
    const ref = await backend.create(job, undefined, call())
    await backend.release(ref, 1, call())
    await until(() => look(backend, ref), phase('running'))
    await kill('SIGTERM')
    await start()
    expect(await ended(backend, ref)).toMatchObject({ reason: 'NonZeroExit', exitCode: 4 })
    expect(await output('runs')).toBe('run\n')
  })

  test('it is killed as soon as it has taken a job: that is lost, its id another\'s, and neither is mistaken for the other', async () => {
    const lost = await made(ground, deployment, 'exit 0')
    const next = await made(ground, deployment, 'exit 0')
    const ref = await backend.create(lost.job, undefined, call())
    await kill('SIGKILL')
    await start()
    expect(await look(backend, ref)).toEqual({ kind: 'absent' })
    const other = await backend.create(next.job, undefined, call())
    const id = (text: string) => (JSON.parse(text) as { id: number }).id
    expect(id(other)).toBe(id(ref))
    expect(await look(backend, ref)).toEqual({ kind: 'absent' })
    await backend.release(ref, 1, call())
    expect([await backend.stop(ref, call()), await backend.remove(ref, call())]).toEqual(['gone', 'gone'])
    await delay(1500)
    expect(await look(backend, other)).toEqual({ kind: 'inert' })
    expect([await lost.output('runs'), await next.output('runs')]).toEqual(['', ''])
    await backend.release(other, 1, call())
    expect(await ended(backend, other)).toMatchObject({ reason: 'Completed' })
  })

  /** slurmrestd has the paths of the accounting database only where there is one. */
  async function hasAccounting(): Promise<boolean> {
    const headers = { 'x-slurm-user-name': site.user, 'x-slurm-user-token': site.token }
    return (await fetch(`${site.url}/slurmdb/v0.0.38/job/1`, { headers })).status !== 404
  }

  test('it has forgotten jobs that ended: the accounting database tells, or they are absent; the log is still read', async () => {
    const scripts = ['echo kept', 'echo kept; exit 3']
    const jobs = await Promise.all(scripts.map((script) => made(ground, deployment, script)))
    const refs = await Promise.all(jobs.map(({ job }) => backend.create(job, undefined, call())))
    for (const ref of refs) await backend.release(ref, 1, call())
    for (const ref of refs) await ended(backend, ref)
    const before = readFileSync(conf, 'utf8')
    writeFileSync(conf, before.replace(/^MinJobAge=.*$/m, 'MinJobAge=2'))
    const known = async (): Promise<boolean> => {
      const shown = slurm('squeue', '-h', '-t', 'all', '-o', '%i').split('\n')
      return refs.some((ref) => shown.includes(String((JSON.parse(ref) as { id: number }).id)))
    }
    try {
      slurm('scontrol', 'reconfigure')
      await until(known, (answer) => !answer, 200_000)
    } finally {
      writeFileSync(conf, before)
      slurm('scontrol', 'reconfigure')
    }
    const [good, bad] = await backend.observe(refs, call())
    const accounting = await hasAccounting()
    expect(good).toMatchObject(accounting ? { phase: 'ended', reason: 'Completed', exitCode: 0 } : { kind: 'absent' })
    expect(bad).toMatchObject(accounting ? { phase: 'ended', reason: 'NonZeroExit' } : { kind: 'absent' })
    for (const ref of refs) {
      const { bytes } = await backend.logs(ref, { tailLines: 9, maxBytes: 99 }, call())
      expect(Buffer.from(bytes).toString()).toBe('kept\n')
      expect(await backend.remove(ref, call())).toBe('gone')
      expect(await look(backend, ref)).toEqual({ kind: 'absent' })
    }
  })
})
