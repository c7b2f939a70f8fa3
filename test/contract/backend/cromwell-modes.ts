import { setTimeout as delay } from 'node:timers/promises'
import { WITHOUT_MINIWDL, wdlProblems } from '../../backends/cromwell/miniwdl.ts'
import { StandIn, WITHOUT_SLURM, WITHOUT_STAND_IN, type Mode } from '../../backends/cromwell/stand-in.ts'
import { skip, testIf } from '../../support/skip.ts'
import { cromwellHarness, type CromwellServer } from './cromwell-harness.ts'
import { backendContract, type PartName } from './suite.ts'

interface Shown {
  /** Where the gateway sees the executions, logs can be read while a job runs. */
  seesExecutions: boolean
  /** So many workflows are checked, and more. */
  atLeast: number
  /** Of the contract; all of it without. */
  parts?: readonly PartName[]
}

/** The contract on a server of its own, in one mode of the stand-in; every workflow that the tests made is then checked. */
export function inFrontOf(backend: 'host' | 'slurm', mode: Mode, { seesExecutions, atLeast, parts }: Shown): void {
  describe(`cromwell ${mode}, ${backend}, sees executions: ${seesExecutions}`, () => {
    const without = backend === 'slurm' ? WITHOUT_SLURM : WITHOUT_STAND_IN
    if (without !== undefined) {
      skip('the backend contract', without)
      return
    }
    let server: StandIn
    const reached = async (): Promise<CromwellServer> => server
    // A scheduler that is busy for a moment is not one that has lost the job.
    const settings = backend === 'slurm' ? { exit_code_timeout: 20 } : {}
    beforeAll(async () => void (server = await StandIn.start(mode, backend, settings)))
    afterAll(() => server.close())

    backendContract(`cromwell ${mode}, ${backend}`, cromwellHarness(reached, seesExecutions, true), parts)

    testIf(WITHOUT_MINIWDL === undefined, WITHOUT_MINIWDL ?? '', 'miniwdl check --strict has nothing against any of its workflows', async () => {
      await delay(500)
      const sources = await server.sources()
      expect(sources.length).toBeGreaterThan(atLeast)
      expect(await wdlProblems(sources)).toBe('')
    }, 120_000)
  })
}
