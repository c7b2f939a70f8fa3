import { EngineRejected, type Call } from '../../../lib/backends/contract.ts'
import type { EngineObject, TouchKind } from '../sim-engine.ts'
import { MINUTE, SECOND } from '../time.ts'
import { aboutOf, isOver, plain, plainBehaviour, releaseNow, type Profile } from './profile.ts'

const GIVEN_AGAIN = 'an id is given again between the look at its owner and the call'
const refOf = ({ id, createdAt, name }: EngineObject): string => `${id}/${createdAt}/${name}`
const numberOf = (ref: string): string => ref.split('/')[0] ?? ''

/** A job on hold: names are not unique, and ids are given again after a crash of the controller. */
export const slurm: Profile = {
  ...plain,
  name: 'slurm',
  refOf,
  nameOf: (engineName, deployment) => `${engineName}.${deployment}`,
  behaviour: { ...plainBehaviour, startDelay: MINUTE, grace: 30 * SECOND, reusesIds: true },
  labels: false,
  keepsEnded: true,
  crashes: true,
  observesMany: true,
  windows: [GIVEN_AGAIN],
  operations(context) {
    const { engine, wire, moods, deployment, broken } = context
    /** The owner check: the number is given again, its name and the time of its submission together are not. */
    const isMeant = (object: EngineObject, ref: string): boolean => broken.trustsIds === true || refOf(object) === ref
    const lookUp = (ref: string): EngineObject | undefined => {
      const object = engine.byId(numberOf(ref))
      return object !== undefined && isMeant(object, ref) ? object : undefined
    }
    /** A call names the number alone, and hits whoever has it by now. */
    const hit = (ref: string, act: (object: EngineObject, how: TouchKind) => void): void => {
      const object = engine.byId(numberOf(ref))
      if (object === undefined) return
      const misses = !isMeant(object, ref)
      if (misses) moods.window(GIVEN_AGAIN)
      act(object, misses ? 'window' : 'asked')
    }
    const phaseOf = (ref: string, call: Call): Promise<EngineObject['phase'] | undefined> =>
      wire(call, 'look at the owner', aboutOf(engine, numberOf(ref)), false, () => lookUp(ref)?.phase)

    const stop = async (ref: string, call: Call): Promise<'gone' | 'going'> => {
      const phase = await phaseOf(ref, call)
      const about = aboutOf(engine, numberOf(ref))
      if (phase === 'inert' || phase === 'waiting' || phase === 'running') {
        await wire(call, 'scancel', about, true, () => hit(ref, (object, how) => engine.stop(object, how)))
      }
      return wire(call, 'look after scancel', about, false, () => (isOver(lookUp(ref)) ? 'gone' : 'going'))
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
        if ((await phaseOf(ref, call)) !== 'inert') return
        await wire(call, 'release the hold', aboutOf(engine, numberOf(ref)), true, () =>
          hit(ref, (object, how) => releaseNow(context, object, how)),
        )
      },
      stop,
      remove: stop,
    }
  },
}
