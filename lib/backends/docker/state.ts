/** What a container's state says of its job. Pure. */
import { constants } from 'node:os'
import type { Reason } from '../../jobs/reasons.ts'
import type { Observation } from '../contract.ts'
import type { Container, ContainerState } from './container.ts'
import { failedReason, isStopped } from './names.ts'

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
  return read?.(container) ?? { kind: 'unknown', error: `the engine calls the container's state '${container.state.Status}', which this release does not know` }
}

/** The name tells whether it may still be started: see names.ts. */
function created(container: Container): Observation {
  const reason = failedReason(container)
  if (reason !== undefined) return notStarted(reason, container.state)
  return isStopped(container) ? { kind: 'state', phase: 'stopping' } : { kind: 'inert' }
}

function notStarted(reason: Reason, { Error: words, ExitCode }: ContainerState): Observation {
  const told = ExitCode !== 0 && (reason === 'CommandNotFound' || reason === 'NotExecutable') ? { exitCode: ExitCode } : {}
  return { kind: 'state', phase: 'ended', reason, ...told, ...(words === '' ? {} : { message: words }) }
}

function going(phase: 'running' | 'stopping', words?: string): Reader {
  return ({ state, note }) => {
    const message = said(note, words)
    return { kind: 'state', phase, ...time('startedAt', state.StartedAt), ...(message === undefined ? {} : { message }) }
  }
}

function ended({ state, note, hidesOutOfMemory }: Container): Observation {
  const { ExitCode: exitCode, Error: words } = state
  const doubt = hidesOutOfMemory && signalOf(exitCode) === 'SIGKILL' ? 'it may have needed more memory than its limit: this engine does not say' : undefined
  const message = said(note, signalWords(exitCode), doubt, words === '' ? undefined : words)
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
function reasonOf({ OOMKilled, ExitCode }: ContainerState): Reason {
  if (OOMKilled) return 'OutOfMemory'
  if (ExitCode === 0) return 'Completed'
  return signalOf(ExitCode) === undefined ? 'NonZeroExit' : 'KilledBySignal'
}

/** Docker tells a signal as a shell does, by 128 and its number: an exit with that code looks the same. */
function signalOf(exitCode: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0]
}

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
