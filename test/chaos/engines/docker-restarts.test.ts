import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { render } from '../../../lib/dialects/pman/render.ts'
import { isFinal } from '../../../lib/jobs/lifecycle.ts'
import type { JobKey } from '../../../lib/jobs/types.ts'
import { ANYONE } from '../../support/gateway.ts'
import { describeIf } from '../../support/skip.ts'
import { driverOf } from './drivers.ts'
import { noDaemon, ownDaemon, type OwnDaemon } from './own-daemon.ts'
import { COMPUTE, serve, type Served } from './service.ts'
import { missing } from './sites.ts'

const PATIENCE = 30_000
const why = missing('docker') ?? noDaemon()

interface Restart {
  name: string
  flags: readonly string[]
  /** What a job that ran when the daemon went becomes, once it is back; it is let go on after that. */
  becomes: { state: string; reason: string; exitCode: number }
}

/** Jobs end with 7 if nobody hinders them; a daemon without live-restore takes its containers along when it is stopped, by SIGTERM. */
const RESTARTS: readonly Restart[] = [
  { name: 'with live-restore', flags: ['--live-restore'], becomes: { state: 'failed', reason: 'NonZeroExit', exitCode: 7 } },
  { name: 'without it', flags: [], becomes: { state: 'failed', reason: 'KilledBySignal', exitCode: 143 } },
]

describeIf(why === undefined, why ?? '', 'a Docker daemon that goes and comes back while jobs run', () => {
  let daemon: OwnDaemon
  let served: Served
  let storebase: string
  let count = 0

  afterEach(async () => {
    await served.close()
    await daemon.purge()
    await rm(storebase, { recursive: true, force: true })
  }, 60_000)

  async function begin(flags: readonly string[]): Promise<void> {
    storebase = await mkdtemp(join(tmpdir(), 'pman-restarts-'))
    await chmod(storebase, 0o755)
    daemon = await ownDaemon(flags)
    await daemon.start()
    const { host, image } = daemon
    served = await serve({ type: 'docker', image, storebase }, (deployment) =>
      driverOf('docker').open({
        compute: COMPUTE,
        deployment,
        storage: { type: 'host', storebase },
        host: 'machine',
        options: { host, stopGrace: 1 },
        credentials: () => Promise.resolve(undefined),
      }),
    )
  }

  /** Says when it runs and goes on until it is told to; a SIGTERM ends it as it ends most programs. */
  const SCRIPT = `trap 'exit 143' TERM; echo begun; : >/share/outgoing/begun; while [ ! -e /share/outgoing/go ]; do sleep 0.1; done; echo done; exit 7`
  const status = (key: JobKey) => served.service.status(ANYONE, key)

  async function until(what: string, met: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
      await served.cleanup()
      if (await met()) return
      await delay(100)
    }
    throw new Error(`in vain: ${what}: ${served.events.slice(-20).join(', ')}`)
  }

  test.each(RESTARTS)(
    '$name: $becomes.state, and never lost',
    async ({ flags, becomes }) => {
      await begin(flags)
      const key = { compute: COMPUTE, jid: `job-${++count}` }
      await served.service.submit(ANYONE, key, await served.job(key, SCRIPT))
      const hasBegun = join(storebase, key.jid, 'out', 'begun')
      await until('the job runs', async () => existsSync(hasBegun) && (await served.record(key))?.state === 'running')

      await daemon.stop()
      const later = { compute: COMPUTE, jid: `job-${++count}` }
      const accepted = await served.service.submit(ANYONE, later, await served.job(later, 'exit 5'))
      expect(render(accepted).status).toBe('notstarted')
      await until('the engine is told to be out of reach', async () => (await served.record(key))?.unreachable !== undefined)
      const meanwhile = await status(key)
      expect(meanwhile.record.state).toBe('running')
      expect(render(meanwhile)).toMatchObject({ status: 'started', message: expect.stringContaining('reach') as string })

      await daemon.start()
      await until('the engine answers again', async () => {
        const record = await served.record(key)
        return record?.unreachable === undefined
      })
      await writeFile(join(storebase, key.jid, 'out', 'go'), '')
      for (const jid of [key, later]) await until('it ends', async () => isFinal((await served.record(jid))?.state ?? 'deleted'))
      const { record, log } = await status(key)
      expect(record).toMatchObject(becomes)
      expect(Buffer.from(log).toString()).toBe(becomes.exitCode === 7 ? 'begun\ndone\n' : 'begun\n')
      expect(await served.record(later)).toMatchObject({ state: 'failed', exitCode: 5 })
      expect([served.runs(key), served.runs(later)]).toEqual([1, 1])
      for (const jid of [key, later]) await served.service.delete(ANYONE, jid)
    },
    120_000,
  )
})
