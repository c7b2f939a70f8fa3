import { call, Bench } from '../../contract/backend/bench.ts'
import { skip } from '../../support/skip.ts'
import { FAULT_NAMES, FAULTS, type Fault } from '../fault-proxy/faults.ts'
import { sample, toldShare } from './share.ts'
import { missing, openSite, type Behind, type Site, type SiteName } from './sites.ts'
import { CHANGES, lasting, READS, said, type Subject } from './steps.ts'

/** Each request of a step gets each fault in turn; no step of any driver has more requests than these. */
const MOST_REQUESTS = 15

/**
 * Every step of a driver under every fault, on a real engine: what the driver says is never more than it knows, and the job runs exactly
 * once.
 */
export function driverChaos(name: SiteName, faults: readonly Fault[] = FAULT_NAMES): void {
  const why = missing(name)
  if (why !== undefined) {
    skip(`a driver under faults: ${name}`, why)
    return
  }
  describe(`a driver under faults: ${name}, ${toldShare}`, () => {
    let site: Site
    let bench: Bench
    let long: Subject
    beforeAll(async () => {
      site = await openSite(name)
      bench = new Bench(site.harness)
      await bench.setUp()
      long = await lasting(bench)
    })
    afterAll(async () => {
      await bench.clear()
      await site.close()
    })

    /** Takes a step with the fault at its first request, at its second, and so on until there are no more: then there was no fault. */
    async function atEachRequest(behind: Behind, fault: Fault, once: (nth: number) => Promise<boolean>): Promise<void> {
      const { proxy } = behind
      for (let nth = 1; nth <= MOST_REQUESTS; nth++) {
        if (!(await once(nth))) return
        await proxy.calm()
      }
      throw new Error('the step has too many requests')
    }

    test.concurrent.each(Object.entries(READS).flatMap(([name, step]) => sample(faults).map((fault) => ({ name, step, fault }))))(
      '$name, $fault',
      async ({ step, fault }) => {
        const behind = await site.behind()
        try {
          const driver = behind.open(bench.deployment)
          await atEachRequest(behind, fault, async (nth) => {
            behind.proxy.next({ nth }, fault)
            const result = await said(step.take(driver, long))
            const hit = behind.proxy.rules.length === 0
            if (!hit || FAULTS[fault].client === 'the answer') expect(result).toHaveProperty('answer')
            if ('answer' in result) await step.judge(result.answer, long, bench)
            return hit
          })
        } finally {
          await behind.proxy.close()
        }
      },
      60_000,
    )

    test.concurrent.each(Object.entries(CHANGES).flatMap(([name, step]) => sample(faults).map((fault) => ({ name, step, fault }))))(
      '$name, $fault',
      async ({ name, step, fault }) => {
        const behind = await site.behind()
        const { proxy } = behind
        try {
          const driver = behind.open(bench.deployment)
          await driver.health(call())
          await atEachRequest(behind, fault, async (nth) => {
            const subject = await step.arrange(bench)
            const before = proxy.seen.length
            proxy.next({ nth }, fault)
            const result = await said(step.take(driver, subject))
            const hit = proxy.rules.length === 0
            await proxy.calm()
            if (!hit || FAULTS[fault].client === 'the answer') expect(result).toHaveProperty('answer')
            if ('answer' in result) await step.judge(result.answer, subject, bench)
            const last = proxy.seen.slice(before).findLast(({ kind }) => kind === 'change')
            if (last?.fault === fault && FAULTS[fault].acts && isLastChange(name, last.path)) await step.heard?.(subject, bench)
            const runs = await step.settle(subject, bench)
            if (subject.ref !== '') {
              await bench.gone('remove', subject.ref)
              expect(await bench.look(subject.ref)).toEqual({ kind: 'absent' })
            }
            const { engineName } = subject.trial.job
            if (site.leavesCopies && name === 'create') await sweepCopies(bench, engineName)
            expect(await bench.backend.find(engineName, call())).toEqual([])
            expect(await subject.trial.runs()).toBe(runs)
            return hit
          })
        } finally {
          await proxy.close()
        }
      },
      180_000,
    )
  })
}

/** What creates whose answers were lost have left: they cannot run, and are the sweep's to remove. */
async function sweepCopies(bench: Bench, engineName: string): Promise<void> {
  for (const { ref, observation } of await bench.backend.find(engineName, call())) {
    expect(observation).toEqual({ kind: 'inert' })
    await bench.gone('remove', ref)
  }
}

/** The request of a step that makes the difference, as its path ends. */
const DECISIVE: Readonly<Record<string, RegExp>> = {
  create: /\/create\b|\/jobs\?|\/job\/submit$|\/workflows\/v1$/,
  release: /\/start$|\/update\b|\/jobs\/[^/]+$|\/job\/\d+$|\/releaseHold$/,
}
const isLastChange = (step: string, path: string): boolean => DECISIVE[step]?.test(path) === true
