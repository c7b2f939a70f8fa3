import type { Call } from '../../../lib/backends/contract.ts'
import { SECOND } from '../time.ts'
import { aboutOf, byId, plain, plainBehaviour, releaseNow, uniqueCreate, type Profile } from './profile.ts'

const TWICE = 'a node restarts between a start and its record'

/** A Job made suspended: a unique name, a uid, and a start that is a patch of that uid. */
export const kubernetes: Profile = {
  ...plain,
  name: 'kubernetes',
  behaviour: { ...plainBehaviour, startDelay: 30 * SECOND, grace: 30 * SECOND, stopDeletes: true },
  runsTwice: TWICE,
  windows: [TWICE],
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
