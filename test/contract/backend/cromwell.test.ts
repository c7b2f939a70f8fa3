import { inFrontOf } from './cromwell-modes.ts'
import { cromwellHarness } from './cromwell-harness.ts'
import { backendContract } from './suite.ts'

const { CROMWELL_URL, CROMWELL_STANDIN_URL } = process.env

inFrontOf('host', 'modern', { seesExecutions: false, atLeast: 40 })

// A server that is no stand-in is taken as it is; its jobs must see this machine's directory of temporary files.
if (CROMWELL_URL !== undefined && CROMWELL_STANDIN_URL === undefined) {
  backendContract('cromwell', cromwellHarness(async () => ({ url: CROMWELL_URL }), false, false))
}
