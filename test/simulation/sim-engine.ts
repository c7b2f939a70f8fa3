/** What an engine has and does, whoever asks: objects, their runs, their ends. Every operation here is one step at one moment. */
import type { EngineJob, Observation, OwnerLabels } from '../../lib/backends/contract.ts'
import type { Random } from './random.ts'
import type { Time } from './time.ts'
import type { Run, Work, WorkEnd } from './work.ts'

export type Phase = 'inert' | 'waiting' | 'running' | 'dying' | 'ended' | 'withdrawn' | 'gone'

/** One object: a Job, a container, a service, a workflow, a folder. */
export interface EngineObject {
  /** Which of all objects ever made; never comes back. */
  serial: number
  /** The engine's own id; comes back where ids are reused. */
  id: string
  /** Its name on the engine; may change. */
  name: string
  engineName: string
  owner: OwnerLabels
  job: EngineJob
  phase: Phase
  createdAt: number
  startedAt?: number
  finishedAt?: number
  end?: WorkEnd
  /** The latest run of it. */
  run?: Run
  /** Until then it is not yet summarised: neither found nor seen. */
  hiddenUntil: number
  /** Labelled as deleted. */
  removed: boolean
  /** Counts its changes (a service's version). */
  version: number
  /** The engine refuses each start of it. */
  refusesStart: boolean
  /** A start of it was accepted and has not yet happened. */
  stalled: boolean
}

/** Told of what really happens. */
export interface Witness {
  started(object: EngineObject, how: TouchKind): void
  /** We stop or remove it: it does not go on as it would have. */
  touched(object: EngineObject, how: TouchKind): void
}
/** As it was asked for; or by a window that the engine leaves open, which excuses it. */
export type TouchKind = 'asked' | 'window'

/** How the jobs of a run behave. */
export interface Behaviour {
  /** From the release to the start, in milliseconds, at most. */
  startDelay: number
  /** How long a job that is stopped goes on, in milliseconds, at most. */
  grace: number
  /** How long an object is neither found nor seen, in milliseconds, at most. */
  hides: number
  reusesIds: boolean
  /** What is stopped is deleted, and its log with it. */
  stopDeletes: boolean
}

export class SimEngine {
  objects: EngineObject[] = []
  /** While true, the engine answers nobody. */
  down = false
  readonly time: Time
  readonly #random: Random
  readonly #witness: Witness
  readonly behaviour: Behaviour
  readonly #work: Work
  #serial = 0
  #nextId = 100

  constructor(time: Time, random: Random, witness: Witness, behaviour: Behaviour, work: Work) {
    this.time = time
    this.#random = random
    this.#witness = witness
    this.behaviour = behaviour
    this.#work = work
  }

  get there(): EngineObject[] {
    return this.objects.filter(exists)
  }

  byId(id: string): EngineObject | undefined {
    return this.objects.find((object) => object.id === id && exists(object))
  }

  byName(name: string): EngineObject | undefined {
    return this.objects.find((object) => object.name === name && exists(object))
  }

  make(job: EngineJob, name: string, id?: string): EngineObject {
    const serial = ++this.#serial
    while (this.byId(String(this.#nextId)) !== undefined) this.#nextId++
    const { now } = this.time
    const object: EngineObject = {
      serial,
      id: id ?? (this.behaviour.reusesIds ? String(this.#nextId++) : `u${serial}`),
      name,
      engineName: job.engineName,
      owner: job.owner,
      job,
      phase: 'inert',
      createdAt: now,
      hiddenUntil: this.behaviour.hides === 0 ? 0 : now + this.#random.spread(1, this.behaviour.hides),
      removed: false,
      version: 1,
      refusesStart: false,
      stalled: false,
    }
    this.objects.push(object)
    return object
  }

  /** The engine accepts that it runs; an object that has ended runs again, if its engine is of that kind. */
  begin(object: EngineObject, how: TouchKind = 'asked'): void {
    const delay = this.behaviour.startDelay === 0 || this.#random.chance(0.5) ? 0 : this.#random.spread(1, this.behaviour.startDelay)
    if (delay === 0) {
      this.start(object, how)
      return
    }
    object.phase = 'waiting'
    this.time.after(delay, () => {
      if (object.phase === 'waiting') this.start(object, how)
    })
  }

  start(object: EngineObject, how: TouchKind): void {
    this.#witness.started(object, how)
    object.phase = 'running'
    object.startedAt = this.time.now
    delete object.end
    delete object.finishedAt
    const run = this.#work.begin(object, (end) => {
      if (object.run === run && (object.phase === 'running' || object.phase === 'dying')) this.#end(object, end)
    })
    object.run = run
  }

  #end(object: EngineObject, end: WorkEnd): void {
    object.phase = object.phase === 'dying' && this.behaviour.stopDeletes ? 'gone' : 'ended'
    object.end = end
    object.finishedAt = this.time.now
  }

  /** We end it: what has not run never will. */
  stop(object: EngineObject, how: TouchKind | 'outside' = 'asked'): void {
    this.#touch(object, how)
    if (object.phase === 'inert' || object.phase === 'waiting') {
      object.phase = 'withdrawn'
      object.finishedAt = this.time.now
    } else if (object.phase === 'running') {
      object.phase = 'dying'
      object.run?.stop()
    }
  }

  /** We delete it, or it vanishes. */
  drop(object: EngineObject, how: TouchKind | 'outside' = 'asked'): void {
    this.#touch(object, how)
    object.phase = 'gone'
    object.run?.stop()
  }

  #touch(object: EngineObject, how: TouchKind | 'outside'): void {
    if (how !== 'outside' && ['inert', 'waiting', 'running'].includes(object.phase)) this.#witness.touched(object, how)
  }

  /** The controller dies and has forgotten what it accepted last; their ids are given again. */
  crash(): EngineObject[] {
    const lost = this.objects.filter((object) => exists(object) && object.phase === 'inert' && this.time.now - object.createdAt < 60_000)
    for (const object of lost) object.phase = 'gone'
    const ids = lost.map(({ id }) => Number(id))
    if (ids.length > 0) this.#nextId = Math.min(this.#nextId, ...ids)
    return lost
  }
}

export const exists = ({ phase }: EngineObject): boolean => phase !== 'gone'

/** What the engine says of an object, in the contract's words. */
export function observation(object: EngineObject): Observation {
  const { phase, startedAt, finishedAt, end = { reason: 'HostLost' as const } } = object
  switch (phase) {
    case 'inert':
      return { kind: 'inert' }
    case 'waiting':
      return { kind: 'state', phase }
    case 'running':
      return { kind: 'state', phase, startedAt }
    case 'dying':
      return { kind: 'state', phase: 'stopping', startedAt }
    case 'withdrawn':
      return { kind: 'state', phase, finishedAt }
    case 'gone':
      return { kind: 'absent' }
    case 'ended':
      return { kind: 'state', phase, ...end, startedAt, finishedAt }
  }
}

/** What its latest run has printed. */
export const outputOf = ({ run }: EngineObject): Uint8Array => run?.output() ?? new Uint8Array()
