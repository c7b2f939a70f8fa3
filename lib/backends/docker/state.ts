/** What a container's state says of its job. Pure. */
import type { Reason } from '../../jobs/reasons.ts'
import type { Observation } from '../contract.ts'
import type { Container, ContainerState } from './container.ts'
import { exitReason, signalOf } from './exit.ts'
import { failedReason, isStopped } from './names.ts'
import { withoutSources } from './redact.ts'

type Reader = (container: Container) => Observation

/** `State.Status` (Engine API 1.41, definition ContainerState), and the words that Podman has besides (libpod/define, ContainerStatus). */
const STATUS: Readonly<Record<string, Reader>> = {
  created,
  configured: created,
  initialized: created,
  running: going('running'),
  paused: going('running', 'is paused at the engine'),
  restarting: going('running', 'is being restarted by the engine'),
  removing: going('stopping'),
  stopping: going('stopping'),
  exited: ended,
  stopped: ended,
  dead: ended,
}

/** What the engine says of a job. A word that is not in the table is `unknown`. */
export function observationOf(container: Container): Observation {
  const read = Object.hasOwn(STATUS, container.state.Status) ? STATUS[container.state.Status] : undefined
  const error = `the engine calls the container's state '${container.state.Status}', which this release does not know`
  return read?.(container) ?? { kind: 'unknown', error }
}

/** The name tells whether it may still be started: see names.ts. */
function created(container: Container): Observation {
  const reason = failedReason(container)
  if (reason !== undefined) return notStarted(reason, container)
  return isStopped(container) ? { kind: 'state', phase: 'stopping' } : { kind: 'inert' }
}

function notStarted(reason: Reason, { state: { Error: words, ExitCode }, mounted }: Container): Observation {
  const told = ExitCode !== 0 && (reason === 'CommandNotFound' || reason === 'NotExecutable') ? { exitCode: ExitCode } : {}
  return { kind: 'state', phase: 'ended', reason, ...told, ...(words === '' ? {} : { message: withoutSources(words, mounted) }) }
}

function going(phase: 'running' | 'stopping', words?: string): Reader {
  return ({ state, note }) => {
    const message = said(note, words)
    return { kind: 'state', phase, ...time('startedAt', state.StartedAt), ...(message === undefined ? {} : { message }) }
  }
}

function ended({ state, note, mounted, hidesOutOfMemory }: Container): Observation {
  const { ExitCode: exitCode, Error: words } = state
  const isDoubtful = hidesOutOfMemory && signalOf(exitCode) === 'SIGKILL'
  const doubt = isDoubtful ? 'it may have needed more memory than its limit: this engine does not say' : undefined
  const message = said(note, signalWords(exitCode), doubt, words === '' ? undefined : withoutSources(words, mounted))
  const { startedAt = 0 } = time('startedAt', state.StartedAt)
  const { finishedAt = 0 } = time('finishedAt', state.FinishedAt)
  return {
    kind: 'state',
    phase: 'ended',
    reason: reasonOf(state),
    exitCode,
    ...(startedAt === 0 ? {} : { startedAt }),
    // Of a short job Docker has been seen to put the end before the start.
    ...(finishedAt === 0 ? {} : { finishedAt: Math.max(startedAt, finishedAt) }),
    ...(message === undefined ? {} : { message }),
  }
}

/** A part of the job that ran out of memory is a failure, whatever the rest of it made of that. */
const reasonOf = ({ OOMKilled, ExitCode }: ContainerState): Reason => (OOMKilled ? 'OutOfMemory' : exitReason(ExitCode))

function signalWords(exitCode: number): string | undefined {
  const signal = signalOf(exitCode)
  return signal === undefined ? undefined : `its exit code is that of ${signal}`
}

function said(...words: readonly (string | undefined)[]): string | undefined {
  const told = words.filter((word) => word !== undefined)
  return told.length === 0 ? undefined : told.join('; ')
}

/** Milliseconds since 1970; Docker's year 1 and what is no date mean "not yet". */
function time<Name extends string>(name: Name, text: string): Partial<Record<Name, number>> {
  const at = Date.parse(text)
  return (at > 0 ? { [name]: at } : {}) as Partial<Record<Name, number>>
}
