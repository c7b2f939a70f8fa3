import type { Call } from '../../../lib/backends/contract.ts'
import { SECOND } from '../time.ts'
import { aboutOf, byId, plain, plainBehaviour, releaseNow, uniqueCreate, type Profile } from './profile.ts'

/** A service without replicas: an update at its version lets it run. */
export const swarm: Profile = {
  ...plain,
  name: 'swarm',
  behaviour: { ...plainBehaviour, startDelay: 10 * SECOND, grace: 15 * SECOND, stopDeletes: true },
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
