import type { CallAttempt, Workflow } from '../../engines/cromwell-api.ts'
import type { Reason } from '../../jobs/reasons.ts'
import type { Observation } from '../contract.ts'
import { failureMessages, failureReason, LOST, rootCause } from './failures.ts'
import { LABEL, plainLabels } from './labels.ts'
import { CALL, EXIT_CODE } from './wdl.ts'

/** What of a workflow's metadata an observation needs; keys are prefixes. */
export const OBSERVED_KEYS = [
  'submission', 'start', 'end', 'status', 'labels', `outputs:${EXIT_CODE}`, 'failures',
  'executionStatus', 'backendStatus', 'returnCode', 'jobId', 'callRoot', 'stdout', 'metadataArchiveStatus',
] as const

/** A workflow as it is looked at: ours, or one of pman's own, whose WDL had no outputs. */
export interface Looked {
  workflow: Workflow
  pman: boolean
  /** Milliseconds since 1970. */
  now: number
}

/** The last status is written before outputs and failures; after this, in ms, they are not waited for any more. */
const OUTPUTS_WITHIN = 15 * 60_000
const REST_WITHIN = 60_000

/** `ExecutionStatus`: the call has not been handed to the site's scheduler yet. */
const BEFORE_RUNNING = ['NotStarted', 'WaitingForQueueSpace', 'QueuedInCromwell', 'Starting']

/** Every status of a workflow (`WorkflowState`), and what it says of the job. */
const STATES: Readonly<Record<string, (looked: Looked) => Observation>> = {
  'On Hold': (looked) => (isWithdrawn(looked) ? withdrawn(looked) : { kind: 'inert' }),
  Submitted: (looked) => (isWithdrawn(looked) ? withdrawn(looked) : { kind: 'state', phase: 'waiting', message: 'waits to be picked up by Cromwell' }),
  Running: running,
  Aborting: (looked) => ({ kind: 'state', phase: 'stopping', startedAt: startOf(looked) }),
  Aborted: (looked) =>
    // one that was never picked up has no start
    looked.workflow.start === undefined ? withdrawn(looked) : ended(looked, 'KilledBySignal', { message: 'was aborted at Cromwell' }),
  Succeeded: succeeded,
  Failed: failed,
}

/** Are these words the whole truth, or is the workflow's metadata needed too? */
export const needsMetadata = ({ status = '' }: Workflow): boolean => ['Running', 'Succeeded', 'Failed'].includes(status)

/** Has it ended, as far as its status goes? */
export const isOver = ({ status = '' }: Workflow): boolean => ['Aborted', 'Succeeded', 'Failed'].includes(status)

/** What a workflow says of its job. A status that is not known is `unknown`. */
export function observationOf(looked: Looked): Observation {
  const { status = '' } = looked.workflow
  const says = Object.hasOwn(STATES, status) ? STATES[status] : undefined
  return says === undefined ? { kind: 'unknown', error: `Cromwell has a status that is not known here: "${status}"` } : says(looked)
}

function running(looked: Looked): Observation {
  const attempt = lastAttempt(looked.workflow)
  if (attempt === undefined) return { kind: 'state', phase: 'waiting', message: 'picked up by Cromwell, which has not made its call yet' }
  const { executionStatus = '' } = attempt
  if (BEFORE_RUNNING.includes(executionStatus)) return { kind: 'state', phase: 'waiting', message: `its call is ${executionStatus} at Cromwell` }
  return { kind: 'state', phase: 'running', startedAt: startOf(looked) }
}

function succeeded(looked: Looked): Observation {
  if (looked.pman) return ended(looked, 'Completed', { exitCode: 0 })
  const exitCode = exitCodeOf(looked.workflow)
  if (exitCode !== undefined) return ended(looked, exitCode === 0 ? 'Completed' : 'NonZeroExit', { exitCode })
  if (sinceEnd(looked) < OUTPUTS_WITHIN) return ending(looked)
  return ended(looked, 'HostLost', { message: 'Cromwell says Succeeded, but does not have its outputs' })
}

function failed(looked: Looked): Observation {
  const { workflow, pman } = looked
  const attempt = lastAttempt(workflow)
  const messages = failureMessages(workflow, attempt)
  if (messages.length === 0 && hasJustEnded(looked)) return ending(looked)
  const message = rootCause(workflow, attempt)
  // Of pman's own workflows the script's code was the job's.
  if (pman && attempt?.returnCode !== undefined && attempt.returnCode !== LOST) return ended(looked, 'NonZeroExit', { exitCode: attempt.returnCode, message })
  return ended(looked, failureReason(messages, attempt), { message })
}

const ending = (looked: Looked): Observation => ({
  kind: 'state',
  phase: 'running',
  startedAt: startOf(looked),
  message: 'has ended at Cromwell, which does not have its outcome yet',
})

function ended(looked: Looked, reason: Reason, more: { exitCode?: number; message?: string | undefined }): Observation {
  return { kind: 'state', phase: 'ended', reason, ...more, startedAt: startOf(looked), finishedAt: endOf(looked) }
}

const withdrawn = (looked: Looked): Observation => ({ kind: 'state', phase: 'withdrawn', finishedAt: endOf(looked) })

const isWithdrawn = ({ workflow }: Looked): boolean => plainLabels(workflow.labels)[LABEL.withdrawn] !== undefined

/** The latest attempt of the one call. */
export const lastAttempt = ({ calls = {} }: Workflow): CallAttempt | undefined => calls[CALL]?.at(-1)

export function exitCodeOf({ outputs = {} }: Workflow): number | undefined {
  const code = outputs[EXIT_CODE]
  return typeof code === 'number' && Number.isInteger(code) ? code : undefined
}

/** POSIX, "env", EXIT STATUS. */
const NOT_STARTED: Readonly<Record<number, Reason>> = { 126: 'NotExecutable', 127: 'CommandNotFound' }

/** Why the program may not have been started, by its exit code; undefined: it was. */
export const notStartedReason = (seen: Observation): Reason | undefined =>
  seen.kind === 'state' && seen.phase === 'ended' && seen.reason === 'NonZeroExit' ? NOT_STARTED[seen.exitCode ?? 0] : undefined

const startOf = ({ workflow }: Looked): number | undefined => time(lastAttempt(workflow)?.start ?? workflow.start)
const endOf = ({ workflow }: Looked): number | undefined => time(lastAttempt(workflow)?.end ?? workflow.end)
/** May something of its outcome still be missing? */
export const hasJustEnded = (looked: Looked): boolean => isOver(looked.workflow) && looked.workflow.start !== undefined && sinceEnd(looked) < REST_WITHIN
/** The server's clock may be ahead: less than nothing has passed then. */
const sinceEnd = ({ workflow, now }: Looked): number => now - (time(workflow.end) ?? now)

function time(text: string | undefined): number | undefined {
  const at = Date.parse(text ?? '')
  return Number.isNaN(at) ? undefined : at
}
