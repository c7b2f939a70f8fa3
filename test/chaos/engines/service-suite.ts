import { setTimeout as delay } from 'node:timers/promises'
import type { Found } from '../../../lib/backends/contract.ts'
import { PmanError } from '../../../lib/errors.ts'
import { isFinal } from '../../../lib/jobs/lifecycle.ts'
import type { JobKey } from '../../../lib/jobs/types.ts'
import { call } from '../../contract/backend/bench.ts'
import { Random } from '../../simulation/random.ts'
import { ANYONE } from '../../support/gateway.ts'
import { skip } from '../../support/skip.ts'
import { scaled, SEED, toldShare } from './share.ts'
import { COMPUTE, serve, type Served } from './service.ts'
import { missing, openSite, type Behind, type Site, type SiteName } from './sites.ts'

/** Of each request to the engine. */
const RATE = { read: 0.15, change: 0.25 }
const JOBS = 24
/** In ms. */
const PATIENCE = 90_000
const POLL = 150

interface Fate {
  key: JobKey
  exit: number
  /** What its caller does to it in the end, in ms after its submission. */
  then: 'waits' | 'cancels' | 'deletes'
  at: number
}

/** Callers, dispatch and cleanup with an engine whose every exchange may go wrong: each job runs exactly once, nothing is left of it. */
export function serviceChaos(name: SiteName): void {
  const why = missing(name)
  if (why !== undefined) {
    skip(`the service with an engine under faults: ${name}`, why)
    return
  }
  describe(`the service with an engine under faults: ${name}, ${toldShare}`, () => {
    let site: Site
    let behind: Behind
    let served: Served
    const random = new Random(SEED)
    const fates: Fate[] = Array.from({ length: scaled(JOBS) }, (_, n) => ({
      key: { compute: COMPUTE, jid: `job-${n}` },
      exit: random.pick([0, 0, 3]),
      then: (['waits', 'waits', 'cancels', 'deletes'] as const)[n % 4] ?? 'waits',
      at: random.between(0, 3_000),
    }))

    beforeAll(async () => {
      site = await openSite(name)
      behind = await site.behind({ delay: 200, compute: COMPUTE })
      served = await serve(site, (deployment) => behind.open(deployment))
    })
    afterAll(async () => {
      await behind.proxy.calm()
      await served.close()
      await behind.proxy.close()
      for (const { ref } of await held()) await site.open(served.deployment, COMPUTE).remove(ref, call())
      await site.close()
    })

    async function held(): Promise<Found[]> {
      const found: Found[] = []
      for await (const one of site.open(served.deployment, COMPUTE).list(call())) found.push(one)
      return found
    }

    const script = ({ exit, key, then }: Fate): string =>
      then === 'waits' ? `echo "log of ${key.jid}"; sleep 0.${exit + 1}; exit ${exit}` : `trap 'exit 143' TERM; sleep 600 & wait`

    async function live(fate: Fate): Promise<void> {
      const { key, at, then } = fate
      const { service } = served
      await service.submit(ANYONE, key, await served.job(key, script(fate)))
      const until = Date.now() + (then === 'waits' ? 3_000 : at)
      while (Date.now() < until) {
        await service.status(ANYONE, key)
        await service.logs(ANYONE, key, 10).catch(unlessUnavailable)
        await delay(POLL)
      }
      if (then === 'cancels') await service.cancel(ANYONE, key)
      if (then === 'deletes') await service.delete(ANYONE, key)
    }

    const lives = ({ then }: Fate): boolean => then !== 'deletes'

    /** Cleanup comes round until it is so, or patience is over. */
    async function eventually(what: string, met: () => Promise<boolean>): Promise<void> {
      for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
        await served.cleanup()
        if (await met()) return
        await delay(POLL)
      }
      const records = await Promise.all(fates.map(({ key }) => served.record(key)))
      const told = records.map((record) => record && { ...record, history: record.history.length })
      throw new Error(`in vain: ${what}: ${JSON.stringify(told)}`)
    }

    test(
      `${fates.length} jobs, each once, with its true end and log; nothing is left after the deletes`,
      async () => {
        behind.proxy.random({ seed: SEED, rate: RATE })
        const over = new AbortController()
        const rounds = (async () => {
          while (!over.signal.aborted) {
            await served.cleanup()
            await delay(POLL)
          }
        })()
        try {
          await Promise.all(fates.map(live))
        } finally {
          over.abort()
          await rounds
        }
        expect(new Set(behind.proxy.seen.map(({ fault }) => fault)).size).toBeGreaterThan(1)

        await behind.proxy.calm()
        const isOver = async ({ key }: Fate): Promise<boolean> => isFinal((await served.record(key))?.state ?? 'deleted')
        await eventually('every job ends', async () => (await Promise.all(fates.filter(lives).map(isOver))).every(Boolean))
        for (const fate of fates.filter(lives)) {
          const { record, log } = await served.service.status(ANYONE, fate.key)
          const { state, reason, exitCode, message } = record
          if (fate.then === 'cancels') {
            expect({ state, reason, message }).toMatchObject({ state: 'cancelled', reason: 'CancelRequested' })
            expect(served.runs(fate.key)).toBeLessThanOrEqual(1)
            continue
          }
          const end = fate.exit === 0 ? { state: 'succeeded', reason: 'Completed' } : { state: 'failed', reason: 'NonZeroExit' }
          const whole = { ...end, exitCode: fate.exit, log: `log of ${fate.key.jid}\n` }
          expect({ state, reason, exitCode, log: Buffer.from(log).toString() }).toEqual(whole)
          expect(served.runs(fate.key)).toBe(1)
        }

        for (const { key } of fates.filter(lives)) await served.service.delete(ANYONE, key)
        await eventually('nothing is left', async () => {
          const records = await Promise.all(fates.map(({ key }) => served.record(key)))
          return records.every((record) => record?.state === 'deleted' && record.previous.length === 0) && (await held()).length === 0
        })
        for (const { key, then } of fates) {
          if (then === 'waits') expect(served.runs(key)).toBe(1)
          else expect(served.runs(key)).toBeLessThanOrEqual(1)
          await expect(served.service.status(ANYONE, key)).rejects.toThrow(PmanError)
        }
      },
      3 * PATIENCE,
    )
  })
}

function unlessUnavailable(error: unknown): void {
  if (!(error instanceof PmanError && error.code === 'engine_unavailable')) throw error
}
