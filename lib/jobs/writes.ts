/**
 * The table of writes: every change of a job record, each as a pure function of the record that is there.
 * A row returns the record as it shall be, or undefined if its condition does not hold. The store makes it one atomic step:
 * it puts the result only if the record is still the one that the row was given, and otherwise asks the row again (ADR 2).
 */
import { isActive, isFinal, isObservable, isWaiting, type End, type Seen } from './lifecycle.ts'
import type { Reason } from './reasons.ts'
import { SCHEMA_VERSION, type HistoryEntry, type JobKey, type JobRecord, type Previous, type State } from './types.ts'

/** When, under which id, and on whose behalf a write is made. */
export interface Stamp {
  now: number
  writeId: string
  by: string
}

/** The record as it shall be, or undefined: the condition does not hold. */
export type Row = (current: JobRecord | undefined, stamp: Stamp) => JobRecord | undefined

/** History entries kept; older ones, save the first, are dropped. */
export const HISTORY_LENGTH = 24

type Patch = { [K in keyof JobRecord]?: JobRecord[K] | undefined }

/** The record with a patch, its history entry and its stamp; `undefined` in a patch takes a field away. */
function changed(record: JobRecord, write: string, patch: Patch, stamp: Stamp, note?: string): JobRecord {
  const next = amended(record, patch, stamp)
  const entry: HistoryEntry = { at: stamp.now, write, state: next.state, by: stamp.by, writeId: stamp.writeId }
  next.history = bounded([...record.history, note === undefined ? entry : { ...entry, note }])
  return next
}

/** As `changed`, for what is too frequent to be history. */
function amended(record: JobRecord, patch: Patch, stamp: Stamp): JobRecord {
  const merged: Patch = { ...record, ...patch, writeId: stamp.writeId }
  if (merged.state !== record.state) merged.stateSince = stamp.now
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined)) as JobRecord
}

const bounded = (history: HistoryEntry[]): HistoryEntry[] =>
  history.length <= HISTORY_LENGTH ? history : [...history.slice(0, 1), ...history.slice(1 - HISTORY_LENGTH)]

/** Was committed and has not surely ended: a new generation waits for it. */
export const isOpen = (entry: Previous): boolean => entry.ref !== undefined && entry.ended !== true

function withThis(record: JobRecord): Previous[] {
  if (record.previous.some((entry) => entry.engineName === record.engineName)) return record.previous
  const { engineName, generation, requestId, ref } = record
  return [...record.previous, { engineName, generation, requestId, ...(ref === undefined ? {} : { ref }) }]
}

/** What a new generation has to see to: of a tombstone, what its delete has put there and is not gone yet. */
function carried(record: JobRecord | undefined): Previous[] {
  if (record === undefined) return []
  return record.state === 'deleted' ? record.previous : withThis(record)
}

/** May a submission take the jid: it is free, deleted, or its last submission surely never ran. */
export const isFree = (record: JobRecord | undefined): boolean =>
  record === undefined || record.state === 'deleted' || (isFinal(record.state) && record.neverRan === true)

export interface Intent {
  key: JobKey
  specHash: string
  requestId: string
  image: string
  auid: string
  command: string[] | undefined
  timeLimit: number | undefined
  warnings: string[]
  engineName: string
  epoch: string
  leaseUntil: number
}

/** intent, by submit: the record is the one read (absent, or deleted or never ran with its epoch unchanged). */
export function intent(read: JobRecord | undefined, args: Intent): Row {
  return (current, stamp) => {
    if (!isFree(current) || current?.epoch !== read?.epoch) return undefined
    const previous = carried(current)
    const { key, ...rest } = args
    const blank = {
      ...rest,
      compute: key.compute,
      jid: key.jid,
      schemaVersion: SCHEMA_VERSION,
      generation: (current?.generation ?? 0) + 1,
      state: 'submitting' satisfies State,
      createdAt: stamp.now,
      stateSince: stamp.now,
      attempt: 0,
      previous,
      history: [],
      writeId: stamp.writeId,
    } as JobRecord
    return changed(blank, 'intent', previous.some(isOpen) ? { state: 'queued' } : { readyAt: stamp.now }, stamp)
  }
}

const held = (record: JobRecord | undefined, epoch: string): record is JobRecord => record?.epoch === epoch

/** take over, by dispatch, cleanup, submit: epoch unchanged, waiting, lease expired. */
export function takeOver(args: { epoch: string; newEpoch: string; leaseUntil: number }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || !isWaiting(current.state) || (current.leaseUntil ?? 0) > stamp.now) return undefined
    return changed(current, 'take over', { epoch: args.newEpoch, leaseUntil: args.leaseUntil }, stamp)
  }
}

/** renew, by the holder: waiting. No history. */
export function renew(args: { epoch: string; leaseUntil: number }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || !isWaiting(current.state)) return undefined
    return amended(current, { leaseUntil: args.leaseUntil }, stamp)
  }
}

/** hand over, by the holder: waiting. Whoever comes next may take over at `leaseUntil`; `failed`: this was a try that has failed. */
export function handOver(args: { epoch: string; leaseUntil: number; failed: boolean; message?: string | undefined; reason?: Reason | undefined }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || !isWaiting(current.state)) return undefined
    const { leaseUntil, message, reason } = args
    const tries = args.failed ? (current.tries ?? 0) + 1 : current.tries
    return amended(current, { leaseUntil, tries, message, reason }, stamp)
  }
}

/** ready, by the holder: queued, and nothing of an earlier generation may still run. */
export function ready(args: { epoch: string }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || current.state !== 'queued' || current.previous.some(isOpen)) return undefined
    return changed(current, 'ready', { state: 'submitting', readyAt: stamp.now }, stamp)
  }
}

/** pull, by the holder: submitting or pulling. */
export function pull(args: { epoch: string }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || (current.state !== 'submitting' && current.state !== 'pulling')) return undefined
    return changed(current, 'pull', { state: 'pulling' }, stamp)
  }
}

/** prepared, by the holder: submitting or pulling. */
export function prepared(args: { epoch: string; prepared: string }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || (current.state !== 'submitting' && current.state !== 'pulling')) return undefined
    return changed(current, 'prepared', { state: 'submitting', prepared: args.prepared }, stamp)
  }
}

/** commit, by the holder: submitting or pulling, no ref yet, and every committed entry of `previous` has ended. */
export function commit(args: { epoch: string; ref: string }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || (current.state !== 'submitting' && current.state !== 'pulling')) return undefined
    if (current.ref !== undefined || current.previous.some(isOpen)) return undefined
    const patch: Patch = { state: 'submitted', ref: args.ref, attempt: 1, leaseUntil: undefined, message: undefined, reason: undefined }
    return changed(current, 'commit', patch, stamp)
  }
}

/** release again, by anyone active: epoch and attempt unchanged, submitted. */
export function releaseAgain(args: { epoch: string; attempt: number }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || current.state !== 'submitted' || current.attempt !== args.attempt) return undefined
    return changed(current, 'release again', { attempt: args.attempt + 1, absent: undefined, unreachable: undefined }, stamp)
  }
}

/** refused, by the sender of attempt 1: submitted, and attempt still 1. It never ran. */
export function refused(args: { epoch: string; reason: Reason; message: string }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || current.state !== 'submitted' || current.attempt !== 1) return undefined
    const { reason, message } = args
    return changed(current, 'refused', { state: 'failed', reason, message, neverRan: true, finishedAt: stamp.now }, stamp, message)
  }
}

/** exhausted, by the holder: not committed. Also the end of a job whose create the engine refused. It never ran. */
export function exhausted(args: { epoch: string; reason: Reason; message: string }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || !isWaiting(current.state)) return undefined
    const { reason, message } = args
    const end = { state: 'failed', reason, message, neverRan: true, finishedAt: stamp.now, leaseUntil: undefined } as const
    return changed(current, 'exhausted', end, stamp, message)
  }
}

/** elect, by whoever wants to look: nobody has begun to within the interval. It is no history. */
export function elect(args: { epoch: string; interval: number }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || (!isObservable(current) && !isFinal(current.state))) return undefined
    if (current.observedAt !== undefined && stamp.now - current.observedAt < args.interval) return undefined
    return amended(current, { observedAt: stamp.now }, stamp)
  }
}

/** look, by the elected: epoch and state as read. To `running`, or what was seen is written down. */
export function look(args: { epoch: string; state: State; seen: Seen; running: boolean }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || current.state !== args.state || !isObservable(current)) return undefined
    const { startedAt, message, absent, unreachable, endSeen } = args.seen
    const patch: Patch = { message, absent, unreachable, endSeen, startedAt: startedAt ?? current.startedAt }
    if (!args.running) return amended(current, patch, stamp)
    return changed(current, 'look', { ...patch, state: 'running' }, stamp)
  }
}

export interface Ending {
  epoch: string
  state: State
  /** As read: what an end means depends on it. */
  stopSent?: boolean | undefined
  end: End
  capture?: string | undefined
  logTruncated?: boolean | undefined
}

/** capture + end, by the elected: epoch and state as read, not final. The log items are written before. */
export function end(args: Ending): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || current.state !== args.state || !isActive(current.state)) return undefined
    if (current.stopSent !== args.stopSent) return undefined
    const { state, reason, exitCode, message, startedAt, finishedAt } = args.end
    const patch: Patch = {
      state,
      reason,
      exitCode,
      message,
      startedAt: startedAt ?? current.startedAt,
      finishedAt: finishedAt ?? stamp.now,
      capture: args.capture ?? current.capture,
      logTruncated: args.logTruncated ?? current.logTruncated,
      absent: undefined,
      unreachable: undefined,
      endSeen: undefined,
      leaseUntil: undefined,
      stopSent: undefined,
      // given up, not ended: the engine may still hold it
      previous: reason === 'EngineUnreachable' ? withThis(current) : current.previous,
    }
    return changed(current, 'end', patch, stamp)
  }
}

/** cancel, time limit, by anyone with the right: engine name as read, active, not yet cancelling. Fences the holder. */
export function cancel(args: { engineName: string; epoch: string; reason: Reason }): Row {
  return (current, stamp) => {
    if (current?.engineName !== args.engineName || !isActive(current.state) || current.state === 'cancelling') return undefined
    const patch: Patch = { state: 'cancelling', epoch: args.epoch, reason: args.reason, leaseUntil: undefined, observedAt: undefined }
    return changed(current, 'cancel', patch, stamp)
  }
}

/** stopping, by whoever is about to tell the engine to stop it: epoch, cancelling. No history. */
export function stopping(args: { epoch: string; capture?: string | undefined; logTruncated?: boolean | undefined }): Row {
  return (current, stamp) => {
    if (!held(current, args.epoch) || current.state !== 'cancelling') return undefined
    const { capture = current.capture, logTruncated = current.logTruncated } = args
    return amended(current, { stopSent: true, capture, logTruncated, absent: undefined, unreachable: undefined }, stamp)
  }
}

/** delete, by anyone with the right: engine name as read. Fences the holder; the tombstone remembers what the engine may hold. */
export function remove(args: { engineName: string; epoch: string }): Row {
  return (current, stamp) => {
    if (current?.engineName !== args.engineName || current.state === 'deleted') return undefined
    return changed(current, 'delete', { state: 'deleted', epoch: args.epoch, previous: withThis(current), leaseUntil: undefined }, stamp)
  }
}

/** removed, by cleanup: `previous` holds that engine name. `kept` (REMOVE_JOBS=no): it has surely ended and its object stays. */
export function removed(args: { engineName: string; kept: boolean; tombstone: number }): Row {
  return (current, stamp) => {
    const entry = current?.previous.find(({ engineName }) => engineName === args.engineName)
    if (current === undefined || entry === undefined || (args.kept && entry.ended === true)) return undefined
    const others = current.previous.filter((other) => other !== entry)
    const previous = args.kept ? current.previous.map((other) => (other === entry ? { ...entry, ended: true } : other)) : others
    const over = current.state === 'deleted' && previous.length === 0
    return changed(current, 'removed', { previous, ttl: over ? seconds(stamp.now + args.tombstone) : current.ttl }, stamp)
  }
}

/** expire, by cleanup once `remove` said gone: engine name as read, final, `previous` empty. */
export function expire(args: { engineName: string }): Row {
  return (current, stamp) => {
    if (current?.engineName !== args.engineName || !isFinal(current.state) || current.previous.length > 0) return undefined
    return changed(current, 'expire', { ttl: seconds(stamp.now) }, stamp)
  }
}

const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000)

/** adopt, by cleanup: there is no record. For a job that the engine has run and whose record is gone. */
export function adopt(args: Adoption): Row {
  return (current, stamp) => {
    if (current !== undefined) return undefined
    const { key, ...rest } = args
    const blank = {
      ...rest,
      compute: key.compute,
      jid: key.jid,
      schemaVersion: SCHEMA_VERSION,
      state: 'running' satisfies State,
      requestId: 'adopted',
      image: '',
      auid: '',
      command: [],
      warnings: [],
      createdAt: stamp.now,
      stateSince: stamp.now,
      attempt: 1,
      previous: [],
      history: [],
      writeId: stamp.writeId,
    } as JobRecord
    return changed(blank, 'adopt', {}, stamp)
  }
}

export interface Adoption {
  key: JobKey
  generation: number
  specHash: string
  engineName: string
  ref: string
  epoch: string
}
