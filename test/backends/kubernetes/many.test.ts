import { setTimeout as delay } from 'node:timers/promises'
import { jest } from '@jest/globals'
import type { Backend } from '../../../lib/backends/contract.ts'
import { isFinal } from '../../../lib/jobs/lifecycle.ts'
import type { JobKey } from '../../../lib/jobs/types.ts'
import { COMPUTE, serve, type Served } from '../../chaos/engines/service.ts'
import { missing, openSite, type Behind, type Site } from '../../chaos/engines/sites.ts'
import { call } from '../../contract/backend/bench.ts'
import { ANYONE } from '../../support/gateway.ts'
import { describeIf } from '../../support/skip.ts'

const why = missing('kubernetes')
jest.setTimeout(240_000)

const JOBS = 50
const PATIENCE = 150_000

describeIf(why === undefined, why ?? '', 'kubernetes: many jobs at once, and many who ask', () => {
  let site: Site
  let behind: Behind
  let served: Served
  let driver: Backend
  beforeAll(async () => {
    site = await openSite('kubernetes')
    behind = await site.behind({ compute: COMPUTE })
    served = await serve(site, (deployment) => (driver = behind.open(deployment)))
  })
  afterAll(async () => {
    await served.close()
    await behind.proxy.close()
    const direct = site.open(served.deployment, COMPUTE)
    const refs: string[] = []
    for await (const { ref } of direct.list(call())) refs.push(ref)
    await Promise.all(refs.map(async (ref) => {
      while ((await direct.remove(ref, call())) === 'going');
    }))
    await site.close()
  }, 60_000)

  /** How often the API server was asked for a list of several Jobs, as looks do, and of one, as whoever reads a log does. */
  function asked(): { aboutOne: number; aboutMany: number } {
    const paths = behind.proxy.seen.filter(({ method }) => method === 'GET').map(({ path }) => new URL(path, 'https://cluster'))
    const lists = paths.filter(({ pathname }) => pathname.endsWith('/jobs'))
    const aboutMany = lists.filter(({ searchParams }) => / in \([^)]*,/.test(searchParams.get('labelSelector') ?? '')).length
    return { aboutOne: lists.length - aboutMany, aboutMany }
  }

  test(`${JOBS} jobs, ${JOBS} who ask: all end as they should, none is lost, with at most one look each second`, async () => {
    const keys: JobKey[] = Array.from({ length: JOBS }, (_, n) => ({ compute: COMPUTE, jid: `job-${n}` }))
    const exit = (n: number): number => n % 3
    const began = Date.now()
    await Promise.all(keys.map(async (key, n) => {
      await served.service.submit(ANYONE, key, await served.job(key, `echo "log of ${key.jid}"; sleep 1; exit ${exit(n)}`))
    }))
    let requests = 0
    const ends = await Promise.all(keys.map(async (key) => {
      for (const last = Date.now() + PATIENCE; Date.now() < last; ) {
        requests++
        const { record, log } = await served.service.status(ANYONE, key)
        if (isFinal(record.state)) return { state: record.state, exitCode: record.exitCode, log: Buffer.from(log).toString() }
        await delay(100)
      }
      return `${key.jid} has not ended: ${JSON.stringify(await served.record(key))}`
    }))
    const seconds = (Date.now() - began) / driver.pollInterval
    const { aboutOne, aboutMany } = asked()
    console.log(`${JOBS} jobs: ${seconds.toFixed(1)} s, ${requests} requests; lists of several Jobs: ${aboutMany}, of one: ${aboutOne}`)
    expect(ends).toEqual(
      keys.map(({ jid }, n) => ({ state: exit(n) === 0 ? 'succeeded' : 'failed', exitCode: exit(n), log: `log of ${jid}\n` })),
    )
    expect(keys.map((key) => served.runs(key))).toEqual(keys.map(() => 1))
    expect(requests).toBeGreaterThan(2 * JOBS)
    expect(aboutMany).toBeGreaterThan(1)
    expect(aboutMany).toBeLessThanOrEqual(seconds + 1)
  })
})
