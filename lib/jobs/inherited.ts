/** Jobs of the service that was here before this one: shown as their engine tells of them, and never written down or changed. */
import type { Backend, Found } from '../backends/contract.ts'
import { errorText, PmanError } from '../errors.ts'
import { engineCall, type Core, type Turn } from './core.ts'
import { decideLook } from './lifecycle.ts'
import { CAPTURE_BOUNDS } from './look.ts'
import { tailOf } from './log-tail.ts'
import type { Timing } from './timing.ts'
import type { JobKey, JobRecord, LogTail } from './types.ts'
import { adopt, end, look } from './writes.ts'

/** Is this record one that no table has? */
export const isInherited = ({ writeId }: JobRecord): boolean => writeId === ''

/** The record that a job would have, had it been made here. Pure. */
export function recordOf(key: JobKey, { engineName, ref, observation }: Found, now: number, timing: Timing): JobRecord | undefined {
  const stamp = { now, writeId: '', by: 'inherited' }
  const adopted = adopt({ key, generation: 1, specHash: '', engineName, ref, epoch: '' })(undefined, stamp)
  if (adopted === undefined) return undefined
  const { epoch, state } = adopted
  const step = decideLook(adopted, observation, now, timing)
  if (step.do === 'end') return end({ epoch, state, end: step.end })(adopted, stamp)
  return step.do === 'note' ? look({ epoch, state, seen: step.seen, running: false })(adopted, stamp) : adopted
}

/** The job of an earlier service with this jid, and the end of its log as far as it can be read; undefined: there is none. Throws PmanError `engine_unavailable`. */
export async function inherited(core: Core, key: JobKey, turn: Turn): Promise<{ record: JobRecord; log: LogTail } | undefined> {
  // an engine that is not set up right is told of by whoever needs it
  const backend = await core.backend(key.compute).catch(() => undefined)
  if (backend?.inherited === undefined) return undefined
  const found = (await asked(core, backend, key, turn)).at(-1)
  const record = found && recordOf(key, found, core.clock(), core.timing)
  return record && { record, log: await logOf(core, backend, found.ref, key, turn) }
}

async function asked(core: Core, backend: Backend, key: JobKey, turn: Turn): Promise<Found[]> {
  try {
    return await engineCall(core, turn, { ...key }, async (call) => (await backend.inherited?.(key.jid, call)) ?? [])
  } catch (error) {
    throw new PmanError('engine_unavailable', 'the job is not known here, and the engine could not be asked for one of the service before', { cause: error })
  }
}

async function logOf(core: Core, backend: Backend, ref: string, key: JobKey, turn: Turn): Promise<LogTail> {
  try {
    return tailOf(await engineCall(core, turn, { ...key }, (call) => backend.logs(ref, CAPTURE_BOUNDS, call)), CAPTURE_BOUNDS)
  } catch (error) {
    core.log('log is not readable', { ...key, ref, error: errorText(error) })
    return { bytes: new Uint8Array(), truncated: false }
  }
}
