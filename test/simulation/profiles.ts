/**
 * The drivers of the simulated engines: each operation of the contract as the single calls that the real one is made of. One table row
 * per engine; what it leaves open by its nature is named in `windows`, and nothing else is excused.
 */
import { EngineRejected, NeedsPreparation, type Backend, type Call, type EngineJob, type Found, type Observation, type Supports } from '../../lib/backends/contract.ts'
import { tailOf } from '../../lib/jobs/log-tail.ts'
import { exists, observation, type Behaviour, type EngineObject, type SimEngine } from './sim-engine.ts'

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
  /** Windows that the engine leaves open by its nature. */
  windows: readonly string[]
  refOf(object: EngineObject): string
  operations(context: DriverContext): Operations
}

interface Operations {
  create(job: EngineJob, call: Call): Promise<string>
  release(ref: string, attempt: number, call: Call): Promise<void>
  stop(ref: string, call: Call): Promise<'gone' | 'going'>
  remove(ref: string, call: Call): Promise<'gone' | 'going'>
  /** The object that a ref means, its owner checked; undefined: the engine has none. Throws if it cannot be said yet. */
  lookUp(ref: string): EngineObject | undefined
  find(engineName: string): EngineObject[]
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const plain: Behaviour = { startDelay: 0, run: [50, 10 * MINUTE], grace: 0, hides: false, reusesIds: false, stopDeletes: false }
const owns = (object: EngineObject | undefined, deployment: string): object is EngineObject => object?.owner.deployment === deployment
const notYetThere = (): Error => new Error('404: not yet known')
const over = (object: EngineObject | undefined): boolean => object === undefined || ['gone', 'ended', 'withdrawn'].includes(object.phase)

/** Releases an inert object at the moment of the call. */
function releaseNow({ engine, moods }: DriverContext, object: EngineObject | undefined): void {
  if (object?.phase !== 'inert') return
  if (moods.refusesStart(object)) throw new EngineRejected('the engine refuses this start', { reason: 'EngineRejected' })
  engine.begin(object)
}

/** Engines with unique ids, where a ref is the id alone and a look is one call. */
function byId({ engine, deployment }: DriverContext): Pick<Operations, 'lookUp' | 'find'> {
  return {
    lookUp: (ref) => {
      const object = engine.byId(ref)
      return owns(object, deployment) ? object : undefined
    },
    find: (engineName) => engine.there.filter((object) => object.engineName === engineName && owns(object, deployment)),
  }
}

const idOf = ({ id }: EngineObject): string => id

/** A create where names are unique: a name that is taken is looked up. */
function uniqueCreate(context: DriverContext): Operations['create'] {
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

const kubernetes: Profile = {
  name: 'kubernetes',
  refOf: idOf,
  behaviour: { ...plain, startDelay: 30 * SECOND, grace: 30 * SECOND, stopDeletes: true },
  labels: true,
  keepsEnded: false,
  windows: ['node restarts between a start and its record'],
  operations(context) {
    const { engine, wire } = context
    const { lookUp, find } = byId(context)
    const remove = async (ref: string, call: Call): Promise<'gone' | 'going'> => {
      await wire(call, 'delete', aboutOf(engine, ref), true, () => {
        const object = lookUp(ref)
        if (object?.phase === 'running') engine.stop(object)
        else if (object !== undefined && object.phase !== 'dying') engine.drop(object)
      })
      return wire(call, 'look after delete', aboutOf(engine, ref), false, () => (lookUp(ref) === undefined ? 'gone' : 'going'))
    }
    return {
      lookUp,
      find,
      create: uniqueCreate(context),
      release: (ref, _attempt, call) => wire(call, 'unsuspend', aboutOf(engine, ref), true, () => releaseNow(context, lookUp(ref))),
      stop: remove,
      remove,
    }
  },
}

const docker: Profile = {
  name: 'docker',
  refOf: idOf,
  behaviour: { ...plain, grace: 10 * SECOND },
  labels: true,
  keepsEnded: false,
  windows: ['a start stalls inside dockerd'],
  operations(context) {
    const { engine, wire, moods, broken } = context
    const { lookUp, find } = byId(context)
    const phaseOf = (ref: string, call: Call): Promise<EngineObject['phase'] | undefined> =>
      wire(call, 'inspect', aboutOf(engine, ref), false, () => lookUp(ref)?.phase)

    async function stop(ref: string, call: Call): Promise<'gone' | 'going'> {
      const about = aboutOf(engine, ref)
      const phase = await phaseOf(ref, call)
      if (phase === 'inert' && broken.stopSparesInert !== true) {
        await wire(call, 'delete a created container', about, true, () => {
          const object = lookUp(ref)
          if (object?.phase === 'inert') engine.drop(object)
        })
      } else if (phase === 'running') {
        await wire(call, 'stop', about, true, () => {
          const object = lookUp(ref)
          if (object?.phase === 'running') engine.stop(object)
        })
      }
      const after = await phaseOf(ref, call)
      return after === undefined || after === 'ended' ? 'gone' : 'going'
    }

    return {
      lookUp,
      find,
      create: uniqueCreate(context),
      async release(ref, attempt, call) {
        const about = aboutOf(engine, ref)
        const createdName = await wire(call, 'rename', about, true, () => {
          const object = lookUp(ref)
          if (object === undefined) return undefined
          const name = `${object.engineName}-s${attempt}`
          if (engine.byName(name) !== undefined) throw new Error('409: the name is taken')
          if (broken.startsByCreatedName !== true) object.name = name
          return object.engineName
        })
        if (createdName === undefined) return
        const phase = await phaseOf(ref, call)
        if (phase === undefined || (phase !== 'inert' && broken.startsBlindly !== true)) return
        const name = broken.startsByCreatedName === true ? createdName : `${createdName}-s${attempt}`
        await wire(call, 'start by name', about, true, () => {
          const object = engine.byName(name)
          if (object === undefined || object.phase === 'running' || object.phase === 'dying') return
          if (moods.refusesStart(object)) throw new EngineRejected('the engine refuses this start')
          const stall = moods.stalls(object)
          if (stall === undefined) {
            engine.start(object, 'released')
            return
          }
          object.stalled = true
          engine.scheduler.after(stall, () => {
            if (!exists(object) || object.phase === 'running' || object.phase === 'dying') return
            moods.window('a start stalls inside dockerd')
            engine.start(object, 'window')
          })
        })
      },
      stop,
      async remove(ref, call) {
        const phase = await phaseOf(ref, call)
        if (phase === undefined) return 'gone'
        if (phase === 'running' || phase === 'dying') {
          const answer = await stop(ref, call)
          if (answer === 'going') return answer
        }
        return wire(call, 'delete', aboutOf(engine, ref), true, () => {
          const object = lookUp(ref)
          if (object === undefined) return 'gone'
          if (object.phase === 'running' || object.phase === 'dying') return 'going' // 409
          engine.drop(object)
          return 'gone'
        })
      },
    }
  },
}

const swarm: Profile = {
  name: 'swarm',
  refOf: idOf,
  behaviour: { ...plain, startDelay: 10 * SECOND, grace: 15 * SECOND, stopDeletes: true },
  labels: true,
  keepsEnded: false,
  windows: [],
  operations(context) {
    const { engine, wire, broken } = context
    const { lookUp, find } = byId(context)
    const remove = async (ref: string, call: Call): Promise<'gone' | 'going'> => {
      const about = aboutOf(engine, ref)
      await wire(call, 'delete the service', about, true, () => {
        const object = lookUp(ref)
        if (object?.phase === 'running') engine.stop(object)
        else if (object !== undefined && object.phase !== 'dying') engine.drop(object)
      })
      return wire(call, 'list all tasks', about, false, () => (lookUp(ref) === undefined || broken.ignoresTasks === true ? 'gone' : 'going'))
    }
    return {
      lookUp,
      // a removed service is not found by its name, though its container still runs
      find: (engineName) => find(engineName).filter(({ phase }) => phase !== 'dying'),
      create: uniqueCreate(context),
      async release(ref, _attempt, call) {
        const about = aboutOf(engine, ref)
        const version = await wire(call, 'inspect', about, false, () => {
          const object = lookUp(ref)
          return object?.phase === 'inert' ? object.version : undefined
        })
        if (version === undefined) return
        await wire(call, 'update at its version', about, true, () => {
          const object = lookUp(ref)
          if (object?.version !== version) return
          object.version++
          releaseNow(context, object)
        })
      },
      stop: remove,
      remove,
    }
  },
}

const slurmRef = ({ id, createdAt, name }: EngineObject): string => `${id}/${createdAt}/${name}`

const slurm: Profile = {
  name: 'slurm',
  refOf: slurmRef,
  behaviour: { ...plain, startDelay: MINUTE, grace: 30 * SECOND, reusesIds: true },
  labels: false,
  keepsEnded: true,
  windows: ['an id is given again between the look at its owner and the call'],
  operations(context) {
    const { engine, wire, moods, deployment, broken } = context
    const refOf = slurmRef
    const lookUp = (ref: string): EngineObject | undefined => {
      const object = engine.byId(ref.split('/')[0] ?? '')
      return object !== undefined && (broken.trustsIds === true || refOf(object) === ref) ? object : undefined
    }
    /** A call by the number alone: by now it may be another job's. */
    const byNumber = (ref: string): EngineObject | undefined => {
      const object = engine.byId(ref.split('/')[0] ?? '')
      if (object !== undefined && refOf(object) !== ref && broken.trustsIds !== true) {
        moods.window('an id is given again between the look at its owner and the call')
        return undefined
      }
      return object
    }
    const stop = async (ref: string, call: Call): Promise<'gone' | 'going'> => {
      const about = aboutOf(engine, ref.split('/')[0] ?? '')
      const phase = await wire(call, 'look at the owner', about, false, () => lookUp(ref)?.phase)
      if (phase === 'inert' || phase === 'waiting' || phase === 'running') {
        await wire(call, 'scancel', about, true, () => {
          const object = byNumber(ref)
          if (object !== undefined) engine.stop(object)
        })
      }
      return wire(call, 'look after scancel', about, false, () => (over(lookUp(ref)) ? 'gone' : 'going'))
    }
    return {
      lookUp,
      find: (engineName) => engine.there.filter(({ name, phase }) => name === `${engineName}.${deployment}` && phase !== 'withdrawn'),
      create: (job, call) =>
        wire(call, 'submit on hold', job.owner.jid, true, () => {
          if (moods.refusesCreate(job)) throw new EngineRejected('the engine refuses this job')
          return refOf(engine.make(job, `${job.engineName}.${deployment}`))
        }),
      async release(ref, _attempt, call) {
        const about = aboutOf(engine, ref.split('/')[0] ?? '')
        const phase = await wire(call, 'look at the owner', about, false, () => lookUp(ref)?.phase)
        if (phase === 'inert') await wire(call, 'release the hold', about, true, () => releaseNow(context, byNumber(ref)))
      },
      stop,
      remove: stop,
    }
  },
}

const cromwell: Profile = {
  name: 'cromwell',
  refOf: idOf,
  behaviour: { ...plain, startDelay: MINUTE, grace: MINUTE, hides: true },
  labels: true,
  keepsEnded: true,
  windows: ['the engine launches twice'],
  operations(context) {
    const { engine, wire, moods, deployment } = context
    const isHidden = (object: EngineObject): boolean => object.hiddenUntil > engine.scheduler.now
    const byRef = (ref: string): EngineObject | undefined => {
      const object = engine.byId(ref)
      return owns(object, deployment) ? object : undefined
    }
    /** 404 for what is not yet summarised and for what was never there: no word of absence. */
    const lookUp = (ref: string): EngineObject | undefined => {
      const object = byRef(ref)
      if (object === undefined || isHidden(object)) throw notYetThere()
      return object.removed && over(object) ? undefined : object
    }
    const abort = (ref: string): void => {
      const object = byRef(ref)
      if (object === undefined) throw notYetThere()
      engine.stop(object)
    }
    const stop = async (ref: string, call: Call): Promise<'gone' | 'going'> => {
      const about = aboutOf(engine, ref)
      await wire(call, 'abort', about, true, () => abort(ref))
      return wire(call, 'look after abort', about, false, () => (over(lookUp(ref)) ? 'gone' : 'going'))
    }
    return {
      lookUp,
      find: (engineName) =>
        engine.there.filter((object) => object.engineName === engineName && owns(object, deployment) && !isHidden(object) && !object.removed),
      create: (job, call) =>
        wire(call, 'submit on hold with an id', job.owner.jid, true, () => {
          if (moods.refusesCreate(job)) throw new EngineRejected('the engine refuses this job')
          const id = `w-${job.engineName}`
          if (engine.byId(id) === undefined) engine.make(job, job.engineName, id)
          return id
        }),
      release: (ref, _attempt, call) =>
        wire(call, 'releaseHold', aboutOf(engine, ref), true, () => {
          const object = byRef(ref)
          if (object === undefined || isHidden(object)) throw notYetThere()
          releaseNow(context, object)
        }),
      stop,
      async remove(ref, call) {
        if ((await stop(ref, call)) === 'going') return 'going'
        return wire(call, 'label as deleted', aboutOf(engine, ref), true, () => {
          const object = byRef(ref)
          if (object !== undefined) object.removed = true
          return 'gone'
        })
      },
    }
  },
}

const local: Profile = {
  name: 'local',
  refOf: idOf,
  behaviour: { ...plain },
  labels: true,
  keepsEnded: false,
  windows: [],
  operations(context) {
    const { engine, wire, moods } = context
    const { lookUp, find } = byId(context)
    /** A runner, a cancel and a remove each must win the claim in the folder: all of them are one step here. */
    const stop = (ref: string, call: Call): Promise<'gone' | 'going'> =>
      wire(call, 'claim or kill', aboutOf(engine, ref), true, () => {
        const object = lookUp(ref)
        if (object !== undefined) engine.stop(object)
        return over(object) ? 'gone' : 'going'
      })
    return {
      lookUp,
      find,
      create: (job, call) =>
        wire(call, 'make a folder', job.owner.jid, true, () => {
          if (moods.refusesCreate(job)) throw new EngineRejected('refused')
          return engine.make(job, job.engineName).id
        }),
      release: (ref, _attempt, call) => wire(call, 'claim and run', aboutOf(engine, ref), true, () => releaseNow(context, lookUp(ref))),
      stop,
      async remove(ref, call) {
        if ((await stop(ref, call)) === 'going') return 'going'
        return wire(call, 'rename the folder away', aboutOf(engine, ref), true, () => {
          const object = lookUp(ref)
          if (object !== undefined) engine.drop(object)
          return 'gone'
        })
      },
    }
  },
}

export const PROFILES: readonly Profile[] = [kubernetes, docker, swarm, slurm, cromwell, local]

/** The jid that an engine object is about, for the coverage table. */
const aboutOf = (engine: SimEngine, id: string): string | undefined => engine.byId(id)?.owner.jid

/** The driver of a profile. */
export function simBackend(profile: Profile, context: DriverContext): Backend {
  const { engine, wire, moods, deployment, broken } = context
  const operations = profile.operations(context)
  const supports: Supports = {
    image: true,
    memoryLimit: true,
    cpuLimit: true,
    gpuLimit: true,
    env: true,
    workers: false,
    user: true,
    timeLimit: false,
    logsWhileRunning: profile.name !== 'cromwell',
    observesMany: profile.name === 'slurm',
    stopForgets: profile.behaviour.stopDeletes,
    labels: profile.labels,
  }
  const found = (object: EngineObject): Found => ({
    engineName: object.engineName,
    ref: profile.refOf(object),
    observation: observation(object),
    ...(profile.labels ? { labels: object.owner } : {}),
  })

  function look(ref: string): Observation {
    try {
      const object = operations.lookUp(ref)
      return object === undefined ? { kind: 'absent' } : observation(object)
    } catch (error) {
      return { kind: 'unknown', error: String(error) }
    }
  }

  return {
    supports,
    pollInterval: 5 * SECOND,
    check: (_spec, call) => wire(call, 'check', undefined, false, () => undefined),
    prepare: (job, call) => wire(call, 'prepare', job.owner.jid, true, () => `{"digest":"${job.spec.image}"}`),
    async create(job, prepared, call) {
      if (prepared === undefined && moods.needsPreparation(job)) throw new NeedsPreparation('the image is not here')
      return operations.create(job, call)
    },
    release: (ref, attempt, call) => operations.release(ref, attempt, call),
    find: (engineName, call) => wire(call, 'find', undefined, false, () => operations.find(engineName).map(found)),
    async observe(refs, call) {
      try {
        return await wire(call, 'observe', aboutOf(engine, refs[0] ?? ''), false, () => refs.map(look))
      } catch (error) {
        return refs.map(() => (broken.timeoutIsAbsent === true ? { kind: 'absent' } : { kind: 'unknown', error: String(error) }))
      }
    },
    logs: (ref, bounds, call) =>
      wire(call, 'logs', aboutOf(engine, ref), false, () => {
        const object = operations.lookUp(ref)
        if (object === undefined) throw new Error('404: no such job')
        return tailOf({ bytes: Buffer.from(object.log), truncated: false }, bounds)
      }),
    stop: (ref, call) => operations.stop(ref, call),
    remove: (ref, call) => operations.remove(ref, call),
    async *list(call) {
      const all = await wire(call, 'list', undefined, false, () =>
        engine.there.filter((object) => owns(object, deployment) && !object.removed && object.hiddenUntil <= engine.scheduler.now).map(found),
      )
      yield* all
    },
    health: (call) => wire(call, 'health', undefined, false, () => ({ version: '1.0', latencyMs: 1 })),
  }
}
