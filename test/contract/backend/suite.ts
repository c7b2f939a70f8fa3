import { jest } from '@jest/globals'
import { Bench } from './bench.ts'
import type { BackendHarness } from './harness.ts'
import { endsAsItEnded } from './endings.ts'
import { keepsItsOutput } from './output.ts'
import { belongsToItsDeployment } from './ownership.ts'
import { isReleasedOnce } from './release.ts'
import { staysStopped } from './stopping.ts'

/** One part of the contract: registers its tests. The bench is set up by the time they run. */
export type Part = (bench: Bench, harness: BackendHarness) => void

const PARTS: Readonly<Record<string, Part>> = {
  'create and release': isReleasedOnce,
  'how a job ends': endsAsItEnded,
  'words, environment and output': keepsItsOutput,
  'stop and remove': staysStopped,
  'owners, find and list': belongsToItsDeployment,
}

/**
 * The contract of lib/backends/contract.ts, on a real engine: every driver passes the same tests, and is excused only by what it says in
 * `supports`, or by what its harness says of the set-up. Every job counts its own runs.
 */
export function backendContract(name: string, harness: BackendHarness): void {
  jest.setTimeout(6 * harness.patience)
  describe(`the backend contract: ${name}`, () => {
    const bench = new Bench(harness)
    beforeAll(() => bench.setUp())
    afterEach(() => bench.clear())
    afterAll(() => bench.tearDown())
    for (const [title, part] of Object.entries(PARTS)) describe(title, () => part(bench, harness))
  })
}
