import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { jest } from '@jest/globals'
import { EngineRejected, type Backend } from '../../../lib/backends/contract.ts'
import { render } from '../../../lib/dialects/pman/render.ts'
import { isFinal } from '../../../lib/jobs/lifecycle.ts'
import type { JobKey } from '../../../lib/jobs/types.ts'
import { COMPUTE, serve, type Served } from '../../chaos/engines/service.ts'
import { missing, openSite, type Site } from '../../chaos/engines/sites.ts'
import { call } from '../../contract/backend/bench.ts'
import { ANYONE } from '../../support/gateway.ts'
import { describeIf } from '../../support/skip.ts'

/** A cluster whose daemons are this machine's, as kube-up.sh starts them: their pids lie beside the administrator's configuration. */
const directory = dirname(process.env.KUBECONFIG ?? '')
const pidFile = (daemon: string): string => join(directory, 'run', `${daemon}.pid`)
const SCRIPTS = process.env.ENGINES_SCRIPTS ?? resolve(import.meta.dirname, '..', '..', '..', '..', 'shared', 'engines')
const UP = join(SCRIPTS, 'kube-up.sh')
const why = missing('kubernetes') ?? notOurs()
jest.setTimeout(240_000)

function notOurs(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can restart a cluster of kube-up.sh'
  return existsSync(UP) && existsSync(pidFile('kube-apiserver')) ? undefined : 'no cluster that kube-up.sh of ENGINES_SCRIPTS has started'
}

/** Only what is still the daemon that the file tells of. */
function isAlive(daemon: string, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${directory}/bin/${daemon}`)
  } catch {
    return false
  }
}

/** Waits until it is gone. The API server would wait a minute for those who watch it if it were asked to end, and so crashes. */
async function end(daemon: 'kube-apiserver' | 'kubelet'): Promise<void> {
  const pid = Number(readFileSync(pidFile(daemon), 'utf8'))
  if (!(pid > 0) || !isAlive(daemon, pid)) throw new Error(`${daemon} does not run`)
  process.kill(pid, daemon === 'kubelet' ? 'SIGTERM' : 'SIGKILL')
  for (const until = Date.now() + 30_000; isAlive(daemon, pid); ) {
    if (Date.now() > until) throw new Error(`${daemon} does not end`)
    await delay(50)
  }
}

/** Starts what does not run, and waits until the cluster is ready. */
async function start(): Promise<void> {
  await promisify(execFile)('bash', [UP], { env: { ...process.env, KUBE_DIR: directory }, timeout: 120_000 })
}

describeIf(why === undefined, why ?? '', 'kubernetes: parts of the cluster go away while a job runs', () => {
  let site: Site
  let served: Served
  let driver: Backend
  let count = 0
  beforeAll(async () => {
    site = await openSite('kubernetes')
    served = await serve(site, (deployment) => (driver = site.open(deployment, COMPUTE)))
  })
  afterAll(async () => {
    await served.close()
    for await (const { ref } of driver.list(call())) while ((await driver.remove(ref, call())) === 'going');
    await site.close()
  })

  const status = (key: JobKey) => served.service.status(ANYONE, key)
  const goOn = ({ jid }: JobKey) => writeFile(join(site.storebase, jid, 'out', 'go'), '')

  async function until(what: string, met: () => Promise<boolean>): Promise<void> {
    for (const last = Date.now() + site.patience; Date.now() < last; ) {
      await served.cleanup()
      if (await met()) return
      await delay(100)
    }
    throw new Error(`in vain: ${what}: ${served.events.slice(-20).join(', ')}`)
  }

  /** A job that has said that it runs, and goes on until it is told to end. */
  async function running(): Promise<JobKey> {
    const key = { compute: COMPUTE, jid: `job-${++count}` }
    const script = 'echo begun; while [ ! -e /share/outgoing/go ]; do sleep 0.1; done; echo done; exit 7'
    await served.service.submit(ANYONE, key, await served.job(key, script))
    await until('the job runs', async () => Buffer.from((await status(key)).log).toString() === 'begun\n')
    return key
  }

  async function expectItsOwnEnd(key: JobKey): Promise<void> {
    await until('it ends', async () => isFinal((await served.record(key))?.state ?? 'deleted'))
    const { record, log } = await status(key)
    expect(record).toMatchObject({ state: 'failed', reason: 'NonZeroExit', exitCode: 7 })
    expect(Buffer.from(log).toString()).toBe('begun\ndone\n')
    expect(served.runs(key)).toBe(1)
  }

  test('the API server: nothing is known meanwhile, and so it is told; then the job has its own end', async () => {
    const key = await running()
    const { ref = '' } = (await served.record(key)) ?? {}
    await end('kube-apiserver')
    try {
      const answers = await Promise.allSettled([
        driver.observe([ref], call()),
        driver.find('none', call()),
        driver.release(ref, 2, call()),
        driver.stop(ref, call()),
        driver.health(call()),
      ])
      expect(answers[0]).toMatchObject({ value: [{ kind: 'unknown' }] })
      for (const answer of answers.slice(1)) {
        expect(answer).toMatchObject({ status: 'rejected' })
        expect((answer as PromiseRejectedResult).reason).not.toBeInstanceOf(EngineRejected)
      }
      await until('the engine is told to be out of reach', async () => (await served.record(key))?.unreachable !== undefined)
      const meanwhile = await status(key)
      expect(meanwhile.record.state).toBe('running')
      expect(render(meanwhile)).toMatchObject({ status: 'started', message: expect.stringContaining('reach') as string })
      // the job runs on by itself, and ends unseen
      await goOn(key)
      const later = { compute: COMPUTE, jid: `job-${++count}` }
      const accepted = await served.service.submit(ANYONE, later, await served.job(later, 'exit 5'))
      expect(render(accepted).status).toBe('notstarted')
      await start()
      await expectItsOwnEnd(key)
      await until('the later job ends', async () => isFinal((await served.record(later))?.state ?? 'deleted'))
      expect(await served.record(later)).toMatchObject({ state: 'failed', exitCode: 5 })
      expect(served.runs(later)).toBe(1)
    } finally {
      await start()
    }
  })

  test('the kubelet: the job is still running, even though nobody watches it; then it has its own end', async () => {
    const key = await running()
    await end('kubelet')
    try {
      // it ends while its node's agent is away: the cluster knows no better than that it runs
      await goOn(key)
      await delay(1500)
      await served.cleanup()
      const { record } = await status(key)
      expect(record).toMatchObject({ state: 'running' })
      expect(record.absent).toBeUndefined()
    } finally {
      await start()
    }
    await expectItsOwnEnd(key)
  })

  test('the kubelet is restarted while the job runs on', async () => {
    const key = await running()
    await end('kubelet')
    await start()
    await until('it is seen to run', async () => (await status(key)).record.state === 'running')
    await goOn(key)
    await expectItsOwnEnd(key)
  })
})
