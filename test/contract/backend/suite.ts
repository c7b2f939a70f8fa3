import { jest } from '@jest/globals'
import { Bench } from './bench.ts'
import type { BackendHarness } from './harness.ts'
import { endsAsItEnded } from './endings.ts'
import { keepsItsOutput } from './output.ts'
import { belongsToItsDeployment } from './ownership.ts'
import { overrunsItsLimit } from './limits.ts'
import { isReleasedOnce } from './release.ts'
import { staysStopped } from './stopping.ts'

/** One part of the contract: registers its tests. The bench is set up by the time they run. */
export type Part = (bench: Bench, harness: BackendHarness) => void

const PARTS = {
  'create and release': isReleasedOnce,
  'how a job ends': endsAsItEnded,
  'words, environment and output': keepsItsOutput,
  'stop and remove': staysStopped,
  'owners, find and list': belongsToItsDeployment,
} as const satisfies Record<string, Part>

export type PartName = keyof typeof PARTS
const EVERY_PART = Object.keys(PARTS) as PartName[]

/**
 * The contract of lib/backends/contract.ts, on a real engine: every driver passes the same tests, and is excused only by what it says in
 * `supports`, or by what its harness says of the set-up. Every job counts its own runs. An engine that has passed all of it may be shown in
 * further modes by the parts in which these differ.
 */
export function backendContract(name: string, harness: BackendHarness, parts: readonly PartName[] = EVERY_PART): void {
  jest.setTimeout(6 * harness.patience)
  describe(`the backend contract: ${name}`, () => {
    const bench = new Bench(harness)
    beforeAll(() => bench.setUp())
    afterEach(() => bench.clear())
    const tests = (): void => parts.forEach((title) => describe(title, () => PARTS[title](bench, harness)))
    if (parts.includes('how a job ends')) overrunsItsLimit(bench, harness, tests)
    else tests()
    afterAll(() => bench.tearDown())
  })
}
