import type { CallAttempt, Workflow, WorkflowFailure } from '../../engines/cromwell-api.ts'
import type { Reason } from '../../jobs/reasons.ts'

/** What Cromwell writes as the return code of a job that went away without one (`exit-code-timeout-seconds`). */
export const LOST = 79

/**
 * Why a workflow has failed, by Cromwell's words (`StandardAsyncExecutionActor`, `ConfigAsyncJobExecutionActor`, `MaterializeWorkflowDescriptorActor`,
 * `ValidatedRuntimeAttributesBuilder`, `DockerImageIdentifier`). Its script always ends with 0, so no code of its own is the job's.
 */
const WORDS: readonly (readonly [RegExp, Reason])[] = [
  [/Workflow input processing failed|Runtime (?:attribute )?validation failed/, 'EngineRejected'],
  [/Docker image .* has an invalid syntax/, 'EngineRejected'],
  [/No coercion defined from .*Containers/, 'StartFailed'],
  [/Unable to start job|Could not find job ID from stdout/, 'StartFailed'],
  [/The compute backend terminated the job/, 'KilledBySignal'],
  [new RegExp(`exited with return code ${LOST}\\b`), 'HostLost'],
  [/Unable to determine that .* is alive/, 'HostLost'],
  [/Failed to evaluate job outputs|Bad output/, 'HostLost'],
  [/exited with return code|return code file .* was empty/, 'StartFailed'],
]

/** The reason for a failure of our own workflow; one that has no row is told by whether the job was ever handed on. */
export function failureReason(messages: readonly string[], attempt: CallAttempt | undefined): Reason {
  if (attempt?.returnCode === LOST) return 'HostLost'
  const row = WORDS.find(([words]) => messages.some((message) => words.test(message)))
  return row?.[1] ?? (attempt?.jobId === undefined ? 'StartFailed' : 'HostLost')
}

/** Every message of a workflow's failures and its call's, the outermost first. */
export function failureMessages(workflow: Workflow, attempt: CallAttempt | undefined): string[] {
  const all = (failures: readonly WorkflowFailure[] = []): string[] => failures.flatMap(({ message, causedBy }) => [message, ...all(causedBy)])
  return [...all(workflow.failures), ...all(attempt?.failures)]
}

/** What is at the bottom of a failure, for a person; undefined without one. */
export function rootCause(workflow: Workflow, attempt: CallAttempt | undefined): string | undefined {
  const deepest = (failures: readonly WorkflowFailure[] = []): string[] =>
    failures.flatMap(({ message, causedBy = [] }) => (causedBy.length === 0 ? [message] : deepest(causedBy)))
  const causes = [...new Set([...deepest(workflow.failures), ...deepest(attempt?.failures)])]
  return causes.length === 0 ? undefined : causes.join('; ')
}
