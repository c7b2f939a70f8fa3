import { EngineRejected, type Call } from '../../../lib/backends/contract.ts'
import type { EngineObject } from '../sim-engine.ts'
import { MINUTE } from '../time.ts'
import { aboutOf, isOver, owns, plain, plainBehaviour, releaseNow, type Profile } from './profile.ts'

const TWICE = 'the engine launches twice'
const notYetThere = (): Error => new Error('404: not yet known')

/** A workflow on hold, which is neither found nor seen before it has been summarised. */
export const cromwell: Profile = {
  ...plain,
  name: 'cromwell',
  behaviour: { ...plainBehaviour, startDelay: MINUTE, grace: MINUTE, hides: MINUTE },
  keepsEnded: true,
  forgets: false,
  runsTwice: TWICE,
  logsWhileRunning: false,
  windows: [TWICE],
  operations(context) {
    const { engine, wire, moods, deployment } = context
    const isHidden = (object: EngineObject): boolean => object.hiddenUntil > engine.time.now
    const byRef = (ref: string): EngineObject | undefined => {
      const object = engine.byId(ref)
      return owns(object, deployment) ? object : undefined
    }
    /** 404 for what is not yet summarised and for what was never there: no word of absence. */
    const lookUp = (ref: string): EngineObject | undefined => {
      const object = engine.byId(ref)
      if (object === undefined || isHidden(object)) throw notYetThere()
      return !owns(object, deployment) || (object.removed && isOver(object)) ? undefined : object
    }
    const abort = (ref: string): void => {
      const object = byRef(ref)
      if (object === undefined) throw notYetThere()
      engine.stop(object)
    }
    const stop = async (ref: string, call: Call): Promise<'gone' | 'going'> => {
      const about = aboutOf(engine, ref)
      await wire(call, 'abort', about, true, () => abort(ref))
      return wire(call, 'look after abort', about, false, () => (isOver(lookUp(ref)) ? 'gone' : 'going'))
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
