/** What one simulated engine is: how it behaves, how its driver speaks to it, and which windows it leaves open. */
import { EngineRejected, type Call, type EngineJob } from '../../../lib/backends/contract.ts'
import type { Behaviour, EngineObject, SimEngine, TouchKind } from '../sim-engine.ts'

/** One call over the wire. `changes`: the engine is another one afterwards; it is never sent twice. */
export type Wire = <T>(call: Call, words: string, about: string | undefined, changes: boolean, effect: () => T) => Promise<T>

/** Faults that happen inside the engine, when a call takes effect. */
export interface EngineMoods {
  refusesCreate(job: EngineJob): boolean
  refusesStart(object: EngineObject): boolean
  needsPreparation(job: EngineJob): boolean
  /** A start is accepted and then stalls: how many milliseconds. */
  stalls(object: EngineObject): number | undefined
  /** Count one use of a window that the engine leaves open. */
  window(name: string): void
}

export interface DriverContext {
  engine: SimEngine
  wire: Wire
  deployment: string
  moods: EngineMoods
  broken: BrokenDriver
}

/** Rules of a driver that broken variants switch off. */
export interface BrokenDriver {
  /** Starts by the name that create gave. */
  startsByCreatedName?: boolean
  /** Starts without looking whether it is only created. */
  startsBlindly?: boolean
  /** A look that was not answered counts as absence. */
  timeoutIsAbsent?: boolean
  /** Ids are trusted without name and time. */
  trustsIds?: boolean
  /** A removed service counts as gone while its task runs. */
  ignoresTasks?: boolean
  /** A stop leaves an object alone that has not run. */
  stopSparesInert?: boolean
}

export interface Profile {
  name: string
  behaviour: Behaviour
  labels: boolean
  /** Ended objects are kept by the engine whatever is asked. */
  keepsEnded: boolean
  /** The engine forgets what has ended, by itself. */
  forgets: boolean
  /** Its controller may crash, and forgets what it has accepted last. */
  crashes: boolean
  /** The window by which a job of its runs twice without being asked to. */
  runsTwice?: string
  logsWhileRunning: boolean
  observesMany: boolean
  /** Windows that the engine leaves open by its nature. */
  windows: readonly string[]
  refOf(object: EngineObject): string
  /** The name of the object that a create makes. */
  nameOf(engineName: string, deployment: string): string
  operations(context: DriverContext): Operations
}

export interface Operations {
  create(job: EngineJob, call: Call): Promise<string>
  release(ref: string, attempt: number, call: Call): Promise<void>
  stop(ref: string, call: Call): Promise<'gone' | 'going'>
  remove(ref: string, call: Call): Promise<'gone' | 'going'>
  /** The object that a ref means, its owner checked; undefined: the engine has none. Throws if it cannot be said yet. */
  lookUp(ref: string): EngineObject | undefined
  find(engineName: string): EngineObject[]
}

/** An engine without peculiarities, which the others are told as deltas of. */
export const plain = {
  labels: true,
  keepsEnded: false,
  forgets: true,
  crashes: false,
  logsWhileRunning: true,
  observesMany: false,
  windows: [] as readonly string[],
  refOf: ({ id }: EngineObject): string => id,
  nameOf: (engineName: string): string => engineName,
}
export const plainBehaviour: Behaviour = { startDelay: 0, grace: 0, hides: 0, reusesIds: false, stopDeletes: false }

export const owns = (object: EngineObject | undefined, deployment: string): object is EngineObject => object?.owner.deployment === deployment
export const isOver = (object: EngineObject | undefined): boolean => object === undefined || ['gone', 'ended', 'withdrawn'].includes(object.phase)

/** The jid that an engine object is about, for the coverage table. */
export const aboutOf = (engine: SimEngine, id: string): string | undefined => engine.byId(id)?.owner.jid

/** Releases an inert object at the moment of the call. */
export function releaseNow({ engine, moods }: DriverContext, object: EngineObject | undefined, how: TouchKind = 'asked'): void {
  if (object?.phase !== 'inert') return
  if (moods.refusesStart(object)) throw new EngineRejected('the engine refuses this start', { reason: 'EngineRejected' })
  engine.begin(object, how)
}

/** Engines with unique ids, where a ref is the id alone and a look is one call. */
export function byId({ engine, deployment }: DriverContext): Pick<Operations, 'lookUp' | 'find'> {
  return {
    lookUp: (ref) => {
      const object = engine.byId(ref)
      return owns(object, deployment) ? object : undefined
    },
    find: (engineName) => engine.there.filter((object) => object.engineName === engineName && owns(object, deployment)),
  }
}

/** A create where names are unique: a name that is taken is looked up. */
export function uniqueCreate(context: DriverContext): Operations['create'] {
  const { engine, wire, moods, deployment } = context
  return async (job, call) => {
    const made = await wire(call, 'create', job.owner.jid, true, () => {
      if (moods.refusesCreate(job)) throw new EngineRejected('the engine refuses this job')
      return engine.byName(job.engineName) === undefined ? engine.make(job, job.engineName).id : undefined
    })
    if (made !== undefined) return made
    const there = await wire(call, 'inspect by name', job.owner.jid, false, () => engine.byName(job.engineName))
    if (!owns(there, deployment)) throw new Error('the name was taken and is free again')
    return there.id
  }
}
