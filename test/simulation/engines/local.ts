import { EngineRejected, type Call } from '../../../lib/backends/contract.ts'
import { aboutOf, byId, isOver, plain, plainBehaviour, releaseNow, type Profile } from './profile.ts'

/** A folder for each create: names are not unique, and a claim in the folder lets it run. */
export const local: Profile = {
  ...plain,
  name: 'local',
  behaviour: { ...plainBehaviour },
  operations(context) {
    const { engine, wire, moods } = context
    const { lookUp, find } = byId(context)
    /** A runner, a cancel and a remove each must win the claim in the folder: all of them are one step here. */
    const stop = (ref: string, call: Call): Promise<'gone' | 'going'> =>
      wire(call, 'claim or kill', aboutOf(engine, ref), true, () => {
        const object = lookUp(ref)
        if (object !== undefined) engine.stop(object)
        return isOver(object) ? 'gone' : 'going'
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
