/** The driver of a simulated engine: each operation of the contract as the single calls that the real one is made of. */
import { NeedsPreparation, type Backend, type Found, type Observation, type Supports } from '../../lib/backends/contract.ts'
import { tailOf } from '../../lib/jobs/log-tail.ts'
import { aboutOf, owns, type DriverContext, type Profile } from './engines/profile.ts'
import { observation, outputOf, type EngineObject } from './sim-engine.ts'
import { SECOND } from './time.ts'

/** What each simulated engine can do with a job: it runs it, and knows nothing of images, limits and users. */
export const supportsOf = ({ labels, behaviour, logsWhileRunning, observesMany }: Profile): Supports => ({
  image: false,
  memoryLimit: false,
  cpuLimit: false,
  gpuLimit: false,
  env: true,
  workers: false,
  user: false,
  timeLimit: false,
  logsWhileRunning,
  observesMany,
  stopForgets: behaviour.stopDeletes,
  labels,
})

export function simBackend(profile: Profile, context: DriverContext): Backend {
  const { engine, wire, moods, deployment, broken } = context
  const operations = profile.operations(context)
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
    supports: supportsOf(profile),
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
      if (refs.length === 0) return []
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
        return tailOf({ bytes: outputOf(object), truncated: false }, bounds)
      }),
    stop: (ref, call) => operations.stop(ref, call),
    remove: (ref, call) => operations.remove(ref, call),
    async *list(call) {
      yield* await wire(call, 'list', undefined, false, () =>
        engine.there.filter((object) => owns(object, deployment) && !object.removed && object.hiddenUntil <= engine.time.now).map(found),
      )
    },
    health: (call) => wire(call, 'health', undefined, false, () => ({ version: '1.0', latencyMs: 1 })),
  }
}
