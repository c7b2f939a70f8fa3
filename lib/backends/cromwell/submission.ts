import type { CromwellApi, SubmissionParts } from '../../engines/cromwell-api.ts'
import { EngineAnswer } from '../../engines/transport.ts'
import { EngineRejected, type Call, type EngineJob } from '../contract.ts'
import { labelsOf } from './labels.ts'
import type { CromwellOptions } from './options.ts'
import { runtimeOf } from './runtime.ts'
import { wdlOf } from './wdl.ts'

/** Everything of a submission but the id that it asks for. On hold, so that it cannot run; never answered from the cache of an earlier call. */
export function submissionOf(job: EngineJob, options: CromwellOptions): SubmissionParts {
  const { argv, env } = job
  return {
    workflowSource: wdlOf({ argv, env, runtime: runtimeOf(job, options), logBytes: options.logBytes }),
    workflowType: 'WDL',
    workflowTypeVersion: '1.0',
    workflowInputs: '{}',
    workflowOptions: JSON.stringify({ read_from_cache: false, write_to_cache: false, hogGroup: options.hogGroup }),
    labels: JSON.stringify(labelsOf(job)),
    workflowOnHold: 'true',
  }
}

/** What a 400 means (`PartialWorkflowSources`, `SqlWorkflowStore`). Whatever has no row may be Cromwell's database, and is nobody's fault. */
const REFUSALS: readonly (readonly [RegExp, Refusal])[] = [
  [/Unexpected body part name: requestedWorkflowId/, 'takes no id'],
  [/^Requested workflow IDs are already in use/, 'is there'],
  // two at once: the database's own words for its unique index
  [/UC_WORKFLOW_STORE_ENTRY_WEU/i, 'is there'],
  [/^Error\(s\): /, 'refused'],
]
type Refusal = 'takes no id' | 'is there' | 'refused' | 'trouble'

export const refusalOf = (message: string): Refusal => REFUSALS.find(([words]) => words.test(message))?.[1] ?? 'trouble'

/**
 * Makes the workflow, on hold; answers with its id. With an id of ours (from 75) a second create finds the first one; without (74) it makes
 * another one, which nobody releases. Throws EngineRejected for what Cromwell does not take; anything else: it may be there.
 */
export async function submit(api: CromwellApi, parts: SubmissionParts, id: string, { signal, log }: Call): Promise<string> {
  const asked = await api.submit({ ...parts, requestedWorkflowId: JSON.stringify(id) }, signal)
  if (!('refused' in asked)) return held(asked, log)
  const means = asked.status === 413 ? 'refused' : refusalOf(asked.refused)
  if (means === 'is there') return id
  if (means !== 'takes no id') throw refused(means, asked.refused)
  const again = await api.submit(parts, signal)
  if (!('refused' in again)) return held(again, log)
  throw refused(again.status === 413 ? 'refused' : refusalOf(again.refused), again.refused)
}

function held({ id, status }: { id: string; status: string }, log: Call['log']): string {
  if (status === 'On Hold') return id
  log('cromwell.not-held', { id, status })
  throw new EngineAnswer(`Cromwell took the workflow as "${status}", not on hold`, 201)
}

function refused(means: Refusal, message: string): Error {
  return means === 'refused'
    ? new EngineRejected(`Cromwell does not take the workflow: ${message}`)
    : new EngineAnswer(`Cromwell could not take the workflow: ${message}`, 400)
}
