import { realpath } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { errorText } from '../../errors.ts'
import type { Reason } from '../../jobs/reasons.ts'
import type { Observation } from '../contract.ts'
import { FILES } from './files.mjs'
import type { EndFile, Folder } from './folder.ts'
import { groupLives, isAlive, leaderOf } from './processes.mjs'
import type { Identity } from './processes.mjs'

/** What a job's folder and the machine's processes say of it; never throws. */
export async function observe(folder: Folder): Promise<Observation> {
  try {
    return await look(folder)
  } catch (error) {
    return { kind: 'unknown', error: errorText(error) }
  }
}

async function look(folder: Folder): Promise<Observation> {
  const claim = await folder.read('claim')
  const seen = await (claim === undefined ? inert() : claim.by === 'stop' ? withdrawn(claim.at) : released(folder))
  // Last: of a folder that was moved away meanwhile, what was read before says nothing.
  return (await folder.job()) === undefined ? { kind: 'absent' } : seen
}

const inert = (): Observation => ({ kind: 'inert' })
const withdrawn = (finishedAt: number): Observation => ({ kind: 'state', phase: 'withdrawn', finishedAt })

async function released(folder: Folder): Promise<Observation> {
  const alive = await processes(folder)
  if (alive === undefined) return ended(await folder.read('end'))
  const phase = (await folder.read('stop')) === undefined ? 'running' : 'stopping'
  return { kind: 'state', phase, startedAt: (await folder.read('started'))?.startedAt }
}

/** What of a job is alive: its runner, and the leader of its processes, which may itself be gone. */
export interface Alive {
  runner: Identity | undefined
  leader: Identity | undefined
}

/** undefined: nothing of the job is alive, and nothing can be, since its claim is taken. */
export async function processes(folder: Folder): Promise<Alive | undefined> {
  const claim = await folder.read('claim')
  if (claim?.by !== 'runner' || (await folder.read('end')) !== undefined) return undefined
  // In this order: a runner that is gone now has written down what it started, but for the one moment that `unrecorded` sees to.
  const runner = isAlive(claim.runner) ? claim.runner : undefined
  const started = await folder.read('started')
  const leader = started?.process ?? (runner === undefined ? await unrecorded(folder) : undefined)
  const lives = leader !== undefined && groupLives(leader)
  return runner === undefined && !lives ? undefined : { runner, leader: lives ? leader : undefined }
}

/** A runner that was killed between starting its job and writing that down has left one that works in the folder. */
async function unrecorded(folder: Folder): Promise<Identity | undefined> {
  const path = await realpath(folder.path)
  return leaderOf(join(path, FILES.work), join(path, FILES.log))
}

/** Why a program could not be started, by the system's word: execve(2). */
const NOT_STARTED: Readonly<Record<string, { reason: Reason; exitCode: number }>> = {
  ENOENT: { reason: 'CommandNotFound', exitCode: 127 },
  ENOTDIR: { reason: 'CommandNotFound', exitCode: 127 },
  EACCES: { reason: 'NotExecutable', exitCode: 126 },
  ENOEXEC: { reason: 'NotExecutable', exitCode: 126 },
}

/** A job that has ended without anybody writing how has lost its runner: to a reboot, or to who killed it. */
function ended(end: EndFile | undefined): Observation {
  if (end === undefined) return { kind: 'state', phase: 'ended', reason: 'HostLost' }
  const { finishedAt } = end
  if (end.kind === 'withdrawn') return withdrawn(finishedAt)
  if (end.kind === 'failed') {
    return { kind: 'state', phase: 'ended', finishedAt, message: end.message, ...(NOT_STARTED[end.code] ?? { reason: 'StartFailed' }) }
  }
  const exitCode = end.exitCode ?? 128 + signalNumber(end.signal)
  const message = end.signal === null ? undefined : `killed by ${end.signal}`
  return { kind: 'state', phase: 'ended', reason: reasonOf(end), exitCode, startedAt: end.startedAt, finishedAt, message }
}

function reasonOf({ timedOut, signal, exitCode }: Extract<EndFile, { kind: 'exited' }>): Reason {
  if (timedOut) return 'TimeLimit'
  if (signal !== null) return 'KilledBySignal'
  return exitCode === 0 ? 'Completed' : 'NonZeroExit'
}

function signalNumber(name: string | null): number {
  const known = Object.entries(constants.signals).find(([signal]) => signal === name)
  return known?.[1] ?? 0
}
