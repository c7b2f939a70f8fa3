import { call, Bench } from '../../contract/backend/bench.ts'
import { skip } from '../../support/skip.ts'
import { missing, openSite, type Behind, type Site, type SiteName } from './sites.ts'

/** The calls of a release that change something, as their paths end. */
const CHANGES: Readonly<Record<string, readonly RegExp[]>> = {
  docker: [/\/rename\?/, /\/start$/],
  podman: [/\/rename\?/, /\/start$/],
  swarm: [/\/update\?/],
}

/** A release that is on its way for longer than the job is wanted: it arrives after the end, and the job never runs. */
export function lateReleases(name: SiteName): void {
  const why = missing(name)
  if (why !== undefined) {
    skip(`a release that arrives after the end: ${name}`, why)
    return
  }
  describe(`a release that arrives after the end: ${name}`, () => {
    let site: Site
    let bench: Bench
    let behind: Behind
    beforeAll(async () => {
      site = await openSite(name)
      bench = new Bench(site.harness)
      await bench.setUp()
      behind = await site.behind()
    })
    afterAll(async () => {
      await behind.proxy.close()
      await bench.clear()
      await site.close()
    })

    const rows = (CHANGES[name] ?? []).flatMap((path) =>
      (['stop', 'remove'] as const).flatMap((act) => ['waits', 'has left'].map((caller) => ({ path, act, caller }))),
    )
    test.each(rows)('$path after $act, whose caller $caller', async ({ path, act, caller }) => {
      const { proxy } = behind
      const driver = behind.open(bench.deployment)
      await driver.health(call())
      const trial = await bench.trial('exit 0')
      const ref = await bench.create(trial)
      let goOn: () => void = () => undefined
      proxy.next({ path }, 'delay before', { delay: new Promise<void>((resolve) => (goOn = resolve)) })
      const patience = new AbortController()
      let isOver = false
      const late = driver
        .release(ref, 1, { ...call(), signal: patience.signal })
        .catch(() => undefined)
        .finally(() => (isOver = true))
      const held = await bench.until(async () => proxy.seen.at(-1), (seen) => seen?.fault === 'delay before')
      if (caller === 'has left') {
        patience.abort()
        await late
      }
      await bench.gone(act, ref)
      expect({ isOver, problem: held?.problem }).toEqual({ isOver: caller === 'has left', problem: undefined })

      goOn()
      await late
      // Nobody is there to be answered, which the proxy notices once the engine has answered.
      if (caller === 'has left') await bench.until(async () => held?.problem, (problem) => problem !== undefined)
      expect(await bench.runsAfterAll(trial)).toBe(0)
      expect(await bench.look(ref)).toEqual({ kind: 'absent' })
      expect(await site.open(bench.deployment).find(trial.job.engineName, call())).toEqual([])
    })
  })
}
