/** What an engine has and does, whoever asks: objects, their runs, their ends. Every operation here is one step at one moment. */
import type { EngineJob, Observation, OwnerLabels } from '../../lib/backends/contract.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'

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
  phase: Phase
  createdAt: number
  startedAt?: number
  finishedAt?: number
  exitCode?: number
  log: string
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
  started(object: EngineObject, how: StartKind): void
  /** We stop or remove it: it does not go on as it would have. */
  touched(object: EngineObject): void
}
/** by us; or by a window that the engine leaves open, which excuses it. */
export type StartKind = 'released' | 'window'

/** How the jobs of a run behave. */
export interface Behaviour {
  /** From the release to the start, in milliseconds, at most. */
  startDelay: number
  /** Shortest and longest run, in milliseconds. */
  run: readonly [number, number]
  /** How long a job that is stopped goes on, in milliseconds, at most. */
  grace: number
  hides: boolean
  reusesIds: boolean
  /** What is stopped is deleted, and its log with it. */
  stopDeletes: boolean
}

export class SimEngine {
  objects: EngineObject[] = []
  /** While true, the engine answers nobody. */
  down = false
  readonly scheduler: Scheduler
  readonly #random: Random
  readonly #witness: Witness
  readonly behaviour: Behaviour
  #serial = 0
  #nextId = 100

  constructor(scheduler: Scheduler, random: Random, witness: Witness, behaviour: Behaviour) {
    this.scheduler = scheduler
    this.#random = random
    this.#witness = witness
    this.behaviour = behaviour
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
    const { now } = this.scheduler
    const object: EngineObject = {
      serial,
      id: id ?? (this.behaviour.reusesIds ? String(this.#nextId++) : `u${serial}`),
      name,
      engineName: job.engineName,
      owner: job.owner,
      phase: 'inert',
      createdAt: now,
      log: '',
      hiddenUntil: this.behaviour.hides ? now + this.#random.spread(100, 60_000) : 0,
      removed: false,
      version: 1,
      refusesStart: false,
      stalled: false,
    }
    this.objects.push(object)
    return object
  }

  /** The engine accepts that it runs; an object that has ended runs again, if its engine is of that kind. */
  begin(object: EngineObject, how: StartKind = 'released'): void {
    const delay = this.behaviour.startDelay === 0 || this.#random.chance(0.5) ? 0 : this.#random.spread(1, this.behaviour.startDelay)
    if (delay === 0) {
      this.start(object, how)
      return
    }
    object.phase = 'waiting'
    this.scheduler.after(delay, () => {
      if (object.phase === 'waiting') this.start(object, how)
    })
  }

  start(object: EngineObject, how: StartKind): void {
    this.#witness.started(object, how)
    const { now } = this.scheduler
    object.phase = 'running'
    object.startedAt = now
    object.log = `begun by ${object.engineName}\n`
    delete object.exitCode
    delete object.finishedAt
    const [least, greatest] = this.behaviour.run
    const exit = this.#random.chance(0.6) ? 0 : this.#random.pick([1, 3, 137])
    this.scheduler.after(this.#random.spread(least, greatest), () => {
      if (object.startedAt !== now || (object.phase !== 'running' && object.phase !== 'dying')) return
      object.log += 'done\n'
      this.end(object, exit)
    })
  }

  end(object: EngineObject, exitCode: number): void {
    const forgotten = object.phase === 'dying' && this.behaviour.stopDeletes
    object.phase = forgotten ? 'gone' : 'ended'
    object.exitCode = exitCode
    object.finishedAt = this.scheduler.now
  }

  /** We end it: what has not run never will. */
  stop(object: EngineObject, foreign = false): void {
    if (!foreign && (object.phase === 'inert' || object.phase === 'waiting' || object.phase === 'running')) this.#witness.touched(object)
    if (object.phase === 'inert' || object.phase === 'waiting') {
      object.phase = 'withdrawn'
      object.finishedAt = this.scheduler.now
    } else if (object.phase === 'running') {
      object.phase = 'dying'
      const { startedAt } = object
      const grace = this.behaviour.grace === 0 ? 0 : this.#random.spread(1, this.behaviour.grace)
      const die = (): void => {
        if (object.phase === 'dying' && object.startedAt === startedAt) this.end(object, 143)
      }
      if (grace === 0) die()
      else this.scheduler.after(grace, die)
    }
  }

  /** We delete it, or it vanishes. */
  drop(object: EngineObject, foreign = false): void {
    if (!foreign && ['inert', 'waiting', 'running'].includes(object.phase)) this.#witness.touched(object)
    object.phase = 'gone'
  }

  /** The controller dies and has forgotten what it accepted last; their ids are given again. */
  crash(): EngineObject[] {
    const lost = this.objects.filter((object) => exists(object) && object.phase === 'inert' && this.scheduler.now - object.createdAt < 60_000)
    for (const object of lost) object.phase = 'gone'
    const ids = lost.map(({ id }) => Number(id))
    if (ids.length > 0) this.#nextId = Math.min(this.#nextId, ...ids)
    return lost
  }
}

export const exists = ({ phase }: EngineObject): boolean => phase !== 'gone'

/** What the engine says of an object, in the contract's words. */
export function observation(object: EngineObject): Observation {
  const { phase, startedAt, finishedAt, exitCode = 0 } = object
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
    case 'ended': {
      const reason = exitCode === 0 ? 'Completed' : exitCode > 128 ? 'KilledBySignal' : 'NonZeroExit'
      return { kind: 'state', phase, reason, exitCode, startedAt, finishedAt }
    }
  }
}
