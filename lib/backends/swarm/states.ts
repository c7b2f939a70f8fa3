import type { Reason } from '../../jobs/reasons.ts'
import { exitReason } from '../docker/exit.ts'
import { withoutSources } from '../docker/redact.ts'
import { startReason } from '../docker/refusals.ts'
import type { Task } from './shapes.ts'
import { plain } from './template.ts'

/** What a task's state is to a job. */
export type TaskPhase = 'waiting' | 'running' | 'ended'

/** The states of a task (docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states). */
const PHASES: Readonly<Record<string, TaskPhase>> = {
  new: 'waiting',
  allocated: 'waiting',
  pending: 'waiting',
  assigned: 'waiting',
  accepted: 'waiting',
  preparing: 'waiting',
  ready: 'waiting',
  starting: 'waiting',
  running: 'running',
  complete: 'ended',
  shutdown: 'ended',
  failed: 'ended',
  rejected: 'ended',
  remove: 'ended',
  orphaned: 'ended',
}

/** undefined: a word that this release does not know. */
export const phaseOf = ({ Status }: Task): TaskPhase | undefined => (Object.hasOwn(PHASES, Status.State) ? PHASES[Status.State] : undefined)

/** Wanted states after which the swarm ends a task that still runs. */
const UNWANTED: ReadonlySet<string> = new Set(['shutdown', 'remove'])

/** The swarm wants it to end. A task that has ended by itself is wanted `shutdown` too. */
export const isUnwanted = ({ DesiredState }: Task): boolean => DesiredState !== undefined && UNWANTED.has(DesiredState)

/** Why a task has ended, and the words for a person where its own say nothing. */
export interface TaskEnd {
  reason: Reason
  exitCode?: number | undefined
  message?: string | undefined
}

/** The engine's words on a task, in which no directory of a node is named; empty if it has none. */
export function wordsOf({ Status: { Err = '', Message = '' }, Spec }: Task): string {
  const mounts = Spec?.ContainerSpec?.Mounts ?? []
  const mounted = mounts.map(({ Source, Target }) => ({ source: plain(Source), target: plain(Target) }))
  return withoutSources(Err === '' ? Message : Err, mounted)
}

/** How a task in a final state has ended. */
export function endOf(task: Task): TaskEnd {
  const { State, ContainerStatus } = task.Status
  const words = wordsOf(task)
  const exitCode = ContainerStatus?.ExitCode ?? 0
  switch (State) {
    case 'complete':
      return { reason: 'Completed', exitCode: 0 }
    case 'rejected':
      return { reason: refusal(words), message: words }
    case 'failed':
      if (words.startsWith(NOT_STARTED) || exitCode <= 0) return notStarted(words, exitCode)
      return { reason: exitReason(exitCode), exitCode, message: words }
    case 'orphaned':
      return { reason: 'HostLost', message: `its node was out of reach for too long (${words})` }
    default:
      return { reason: 'Evicted', message: `the swarm has ended it (${State}): its node was drained, or someone has changed its service` }
  }
}

/** dockerd: daemon/cluster/executor/container/controller.go, Start. */
const NOT_STARTED = 'starting container failed'

function notStarted(words: string, exitCode: number): TaskEnd {
  const reason = startReason(words, exitCode)
  return { reason, message: words, ...(reason === 'CommandNotFound' || reason === 'NotExecutable' ? { exitCode } : {}) }
}

/** Why a node did not take a task. Why it has no image, it does not tell: see observe.ts. */
function refusal(words: string): Reason {
  if (/^no such image/i.test(words)) return 'ImageNotFound'
  const reason = startReason(words, 0)
  return reason === 'StartFailed' ? 'EngineRejected' : reason
}
