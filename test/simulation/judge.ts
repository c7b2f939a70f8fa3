/** Sees what really happens, and knows what must never happen. It asks nobody: every change of a record and every start comes by here. */
import type { Observation } from '../../lib/backends/contract.ts'
import { isFinal, isWaiting, TRANSITIONS } from '../../lib/jobs/lifecycle.ts'
import type { JobRecord, State } from '../../lib/jobs/types.ts'
import type { Timing } from '../../lib/jobs/timing.ts'
import { exists, outputOf, type EngineObject, type TouchKind, type Witness } from './sim-engine.ts'
import { TERMINATED } from './work.ts'
import { Reach } from './reach.ts'
import type { Process } from './scheduler.ts'
import type { Table } from './sim-store.ts'

/** What must never happen, by name. */
export const INVARIANTS = {
  'double start': 'a generation starts more than once',
  'uncommitted start': 'something starts that is not the committed object',
  overlap: 'an earlier generation starts or runs beside, or after, a later one',
  'start after end': 'something starts of a generation that is final, deleted and removed, or expired',
  'false never ran': 'a generation that was said never to have run runs',
  'false final': 'a final state is not true',
  'final changed': 'a final state or exit code changes, or a state follows that may not',
  'lost record': 'a record that a client was promised is gone or replaced',
  'came back': 'a deleted or expired job is there again',
  'deleted shown': 'a client is shown a deleted job',
  'live swept': 'a live job’s object is stopped or removed by us',
  'holder swept': 'an uncommitted live record’s object is removed under its holder',
  'foreign touched': 'an object of another owner is touched',
  'removed too early': 'a generation leaves `previous` while it runs',
  'log lost': 'a finished job has no log, or not all of it, although the engine had it',
  'status went back': 'a client sees an earlier state than it has seen before',
  stuck: 'once all is quiet, something is left that is neither final nor gone',
  threw: 'the code under test ends in an error that is none of its own',
} as const
export type Invariant = keyof typeof INVARIANTS

export class Violation extends Error {
  readonly invariant: Invariant
  constructor(invariant: Invariant, detail: string) {
    super(`${invariant}: ${detail}`)
    this.invariant = invariant
  }
}

/** One engine name: what was believed of it and what is true of it. */
interface Generation {
  engineName: string
  jid: string
  /** Of all intents of this jid. */
  order: number
  record: JobRecord | undefined
  committed: string | undefined
  starts: number
  object: EngineObject | undefined
  startedAt: number
  cancelled: boolean
  deleted: boolean
  removed: boolean
  expired: boolean
  acknowledged: boolean
  /** The table has lost its record, and nobody has adopted it since. */
  vanished: boolean
  /** We have ended it while it ran. */
  stopped: boolean
  /** The engine, or someone outside, has destroyed it or what was known of it. */
  forgotten: boolean
  /** A window of the engine was used: what it does is its own. */
  excused: boolean
  committedAt: number
  /** What was heard of the engine about it. */
  reach: Reach
}

export interface JudgeContext {
  table: Table
  timing: Timing
  deployment: string
  stopDeletes: boolean
  refOf: (object: EngineObject) => string
  now(): number
  /** Known defects that are passed over, to search on behind them. */
  excused: ReadonlySet<Invariant>
  /** A client has asked for a cancel of this jid. */
  askedToCancel: Set<string>
}

/** Clocks of processes differ by so much, in milliseconds, and a limit is met that much early. */
const CLOCKS = 2.5 * 60_000

const RANK: Readonly<Record<State, number>> = {
  queued: 0,
  submitting: 0,
  pulling: 0,
  submitted: 0,
  running: 1,
  cancelling: 1,
  succeeded: 2,
  failed: 3,
  cancelled: 3,
  timed_out: 3,
  lost: 3,
  deleted: 9,
}

export class Judge implements Witness {
  readonly generations = new Map<string, Generation>()
  violation: Violation | undefined
  excusedCount = 0
  /** How many jobs without a record were given one. */
  adoptions = 0
  readonly #seen = new Map<string, number>()
  readonly #context: JudgeContext
  #order = 0

  constructor(context: JudgeContext) {
    this.#context = context
  }

  condemn(invariant: Invariant, detail: string): void {
    if (!this.#context.excused.has(invariant)) this.violation ??= new Violation(invariant, detail)
    else this.excusedCount++
  }

  generation(engineName: string, jid: string): Generation {
    const known = this.generations.get(engineName)
    if (known !== undefined) return known
    const made: Generation = {
      engineName,
      jid,
      order: ++this.#order,
      record: undefined,
      committed: undefined,
      starts: 0,
      object: undefined,
      startedAt: 0,
      cancelled: false,
      deleted: false,
      removed: false,
      expired: false,
      acknowledged: false,
      vanished: false,
      stopped: false,
      forgotten: false,
      excused: false,
      committedAt: 0,
      reach: new Reach(),
    }
    this.generations.set(engineName, made)
    return made
  }

  started(object: EngineObject, how: TouchKind): void {
    const own = this.generation(object.engineName, object.owner.jid)
    const name = `${object.engineName} (object ${object.serial})`
    if (how === 'window') own.excused = true
    const others = [...this.generations.values()].filter((other) => other.jid === own.jid && other !== own)
    const runs = (other: Generation): boolean => other.object !== undefined && ['running', 'dying'].includes(other.object.phase)
    if (how !== 'window' && !own.excused) {
      const { record } = own
      const gaveUp = record?.reason === 'EngineUnreachable'
      if (own.starts > 0) this.condemn('double start', name)
      else if (own.committed !== this.#context.refOf(object)) this.condemn('uncommitted start', `${name}; committed is ${own.committed ?? 'nothing'}`)
      else if (!own.vanished && others.some((other) => other.order > own.order && other.starts > 0)) this.condemn('overlap', `${name} starts after a later one`)
      else if (others.some((other) => other.order < own.order && runs(other) && !other.excused && !other.vanished)) this.condemn('overlap', `${name} starts beside an earlier one`)
      else if (record?.neverRan === true) this.condemn('false never ran', name)
      else if (own.removed || (own.expired && !gaveUp)) this.condemn('start after end', `${name} is removed or expired`)
      else if (record !== undefined && isFinal(record.state) && !gaveUp) this.condemn('start after end', `${name} is ${record.state}`)
    }
    own.starts++
    own.object = object
    own.startedAt = this.#context.now()
  }

  touched(object: EngineObject, how: TouchKind): void {
    const own = this.generation(object.engineName, object.owner.jid)
    if (how === 'window') own.excused = true
    if (own.excused) return
    const { table, deployment, refOf } = this.#context
    const name = `${object.engineName} (object ${object.serial}), which is ${object.phase}`
    if (object.owner.deployment !== deployment) this.condemn('foreign touched', name)
    const record = table.partition({ compute: object.owner.compute, jid: object.owner.jid }).job
    if (object.phase === 'running') own.stopped = true
    const committed = own.committed === refOf(object)
    if (own.vanished) {
      if (record === undefined && object.phase === 'running') this.condemn('live swept', `${name} and has no record`)
      return
    }
    const final = own.record !== undefined && isFinal(own.record.state)
    if (object.phase === 'running' && committed && !own.cancelled && !own.deleted && !final) this.condemn('live swept', name)
    if (record?.engineName !== object.engineName) return
    if (!isWaiting(record.state) && record.state !== 'submitted' && record.state !== 'running') return
    if (record.ref === undefined) this.condemn('holder swept', name)
    else if (record.ref === refOf(object)) this.condemn('live swept', name)
  }

  /** A job item has changed. */
  changed(before: JobRecord | undefined, after: JobRecord): void {
    const now = this.#context.now()
    const write = after.history.at(-1)?.writeId === after.writeId ? (after.history.at(-1)?.write ?? '') : 'amend'
    const own = this.generation(after.engineName, after.jid)
    if (before?.engineName !== after.engineName) this.#replaced(before, after, write, now)
    else {
      const may = before.state === after.state || TRANSITIONS[before.state].includes(after.state)
      if (!may) this.condemn('final changed', `${after.engineName}: ${before.state} becomes ${after.state} by "${write}"`)
      const told = (record: JobRecord): unknown => JSON.stringify([record.exitCode, record.reason, record.capture, record.neverRan])
      const kept = isFinal(before.state) && isFinal(after.state) && told(before) !== told(after)
      if (kept) this.condemn('final changed', `${after.engineName}: ${String(told(before))} becomes ${String(told(after))}`)
    }
    for (const entry of before?.previous ?? []) this.#left(entry.engineName, after)
    if (after.ref !== undefined && own.committed === undefined) {
      own.committed = after.ref
      own.committedAt = now
    }
    if (after.state === 'cancelling') own.cancelled = true
    if (after.state === 'deleted') own.deleted = true
    if (before?.engineName === after.engineName && before.epoch !== after.epoch) own.reach.fenced()
    const isNew = before?.engineName !== after.engineName || before.state !== after.state
    own.record = after
    if (isNew && isFinal(after.state)) this.#ended(own, before, after, now)
    if (after.ttl !== undefined && after.ttl * 1000 <= now + CLOCKS) own.expired = true
  }

  #left(engineName: string, after: JobRecord): void {
    const entry = after.previous.find((other) => other.engineName === engineName)
    const left = entry === undefined || entry.ended === true
    const other = this.generations.get(engineName)
    if (!left || other === undefined || other.removed) return
    if (engineName === after.engineName && after.state !== 'deleted') return
    other.removed = true
    const { object } = other
    if (!other.excused && object !== undefined && ['waiting', 'running', 'dying'].includes(object.phase)) {
      this.condemn('removed too early', `${engineName} is ${object.phase}`)
    }
  }

  #replaced(before: JobRecord | undefined, after: JobRecord, write: string, now: number): void {
    const own = this.generation(after.engineName, after.jid)
    const expired = before?.ttl !== undefined && before.ttl * 1000 <= now + CLOCKS
    if (write === 'adopt') {
      if (before !== undefined && !expired) this.condemn('lost record', `adoption of ${after.engineName} over ${before.engineName}`)
      else if (own.record !== undefined && !own.vanished) this.condemn('came back', `${after.engineName} is adopted`)
      own.vanished = false
      this.adoptions++
      return
    }
    if (own.record !== undefined) this.condemn('came back', after.engineName)
    if (before === undefined || expired) {
      const old = before === undefined ? undefined : this.generations.get(before.engineName)
      if (old !== undefined) old.expired = true
      return
    }
    const free = before.state === 'deleted' || before.neverRan === true
    if (!free) this.condemn('lost record', `${before.engineName}, ${before.state}, is replaced by ${after.engineName}`)
    const carried = before.previous.every((entry) => after.previous.some((other) => other.engineName === entry.engineName))
    if (!carried) this.condemn('lost record', `${after.engineName} does not carry what the engine may hold`)
  }

  /** Is the final state true? */
  #ended(own: Generation, before: JobRecord | undefined, record: JobRecord, now: number): void {
    if (own.excused) return
    const { state, reason = '', exitCode, engineName } = record
    const { object } = own
    const exit = object?.phase === 'ended' || object?.phase === 'gone' ? object.end?.exitCode : undefined
    const say = (detail: string): void => this.condemn('false final', `${engineName} is ${state} (${reason}): ${detail}`)
    if (record.neverRan === true && own.starts > 0) say('it has run')
    if (exitCode !== undefined && exitCode !== exit) say(`exit code ${exitCode}, truly ${String(exit)}`)
    if (state === 'succeeded' && exit !== 0) say(`its exit code is ${String(exit)}`)
    if (state === 'cancelled' && exitCode === 0) say('it exited with 0')
    if (reason === 'CancelRequested' && !this.#context.askedToCancel.has(record.jid)) say('nobody asked for it')
    if (reason === 'CancelledOutside' && !own.forgotten) say('nobody has withdrawn it')
    if (reason === 'TimeLimit' && (own.starts === 0 || now - own.startedAt < this.#context.timing.runLimit - CLOCKS)) say('it had not run so long')
    if (reason === 'StartDeadline' && now - own.committedAt < this.#context.timing.startWithin - CLOCKS) say('it had not waited so long')
    if (reason === 'EngineForgot' && !own.forgotten) say('the engine has not forgotten it')
    if (['NonZeroExit', 'KilledBySignal'].includes(reason) && exitCode === undefined) say('its exit code is not kept')
    if (reason === 'KilledBySignal' && own.stopped && own.cancelled && exit === TERMINATED) say('it was stopped on request')
    const { unreachableAfter, captureWithin } = this.#context.timing
    const objection = own.reach.objection(record, before, now, unreachableAfter - CLOCKS)
    if (reason === 'EngineUnreachable' && objection !== undefined) say(objection)
    const blind = before?.unreachable !== undefined && objection === undefined
    const patient = before?.endSeen !== undefined && now - before.endSeen.since > captureWithin - CLOCKS
    if (state !== 'lost' && !blind) this.#keepsLog(own, record, patient)
  }

  #keepsLog(own: Generation, record: JobRecord, patient: boolean): void {
    const { object } = own
    if (object === undefined || own.forgotten) return
    const { jid, compute, capture, generation, engineName } = record
    const log = capture === undefined ? undefined : this.#context.table.partition({ compute, jid }).logs.get(`${generation}#${capture}`)
    const printed = Buffer.from(outputOf(object)).toString()
    const text = log === undefined ? undefined : Buffer.from(log.bytes).toString()
    if (text === undefined && patient) return
    if (text === undefined) this.condemn('log lost', `${engineName} is ${record.state} without a log`)
    // where a stop deletes, a job may begin and end between the reading of its log and the stop
    else if (own.cancelled && this.#context.stopDeletes && printed.startsWith(text)) return
    else if (record.exitCode !== undefined && text !== printed) this.condemn('log lost', `${engineName}: only ${JSON.stringify(text)} is kept`)
  }

  /** A question about a job to its engine has come to an end; `seen` undefined: in vain. */
  askedBy(about: { ref: string } | { engineName: string }, begun: number, seen: Observation | undefined, process: Process): void {
    for (const own of this.generations.values()) {
      const isMeant = 'ref' in about ? own.committed === about.ref : own.engineName === about.engineName
      if (isMeant) own.reach.asked(begun, this.#context.now(), seen, process)
    }
  }

  /** The table has lost the record of it. */
  vanished(record: JobRecord): void {
    this.generation(record.engineName, record.jid).vanished = true
  }

  /** The engine, or someone outside, destroys it. */
  forgot(object: EngineObject): void {
    this.generation(object.engineName, object.owner.jid).forgotten = true
  }

  /** What a client may expect of its next answers, as it sends a request. */
  before(jid: string): ReadonlyMap<string, number> {
    const mine = [...this.generations.values()].filter((generation) => generation.jid === jid)
    return new Map(mine.map(({ engineName }) => [engineName, this.#seen.get(engineName) ?? -1]))
  }

  /** A client has its answer. */
  answered(record: JobRecord, expected: ReadonlyMap<string, number>): void {
    const rank = RANK[record.state]
    const least = expected.get(record.engineName) ?? -1
    if (rank === 9) {
      this.condemn('deleted shown', record.engineName)
      return
    }
    if (rank < least || (least >= 2 && rank !== least)) this.condemn('status went back', `${record.engineName}: rank ${least}, then ${record.state}`)
    this.#seen.set(record.engineName, Math.max(rank, this.#seen.get(record.engineName) ?? -1))
  }

  /** A client was promised that this job is kept. */
  acknowledged(record: JobRecord): void {
    const own = this.generation(record.engineName, record.jid)
    own.acknowledged = true
    if (own.record === undefined) this.condemn('lost record', `${record.engineName} was promised and never recorded`)
  }

  /** What is not at rest, in words; empty once all is quiet. */
  unrest(objects: readonly EngineObject[], keepsEnded: boolean, leavesHeld: boolean): string[] {
    const { table, deployment } = this.#context
    const left: string[] = []
    for (const { job } of table.partitions.values()) {
      if (job === undefined) continue
      if (!isFinal(job.state) && job.state !== 'deleted') left.push(`${job.engineName} is ${job.state}`)
      const open = job.previous.filter((entry) => entry.ended !== true)
      if (open.length > 0) left.push(`${job.engineName} (${job.state}) has ${open.map((entry) => entry.engineName).join(', ')} in previous`)
    }
    for (const object of objects) {
      if (!exists(object) || object.owner.deployment !== deployment) continue
      const own = this.generations.get(object.engineName)
      const rests = ['ended', 'withdrawn'].includes(object.phase)
      const mayRest = keepsEnded || (own?.record?.ref !== undefined && !own.expired && !own.vanished)
      if (rests ? !mayRest : !(leavesHeld && object.phase === 'inert')) left.push(`object ${object.serial} of ${object.engineName} is ${object.phase}`)
    }
    return left
  }
}
