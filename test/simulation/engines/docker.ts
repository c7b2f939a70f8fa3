import { EngineRejected, type Call } from '../../../lib/backends/contract.ts'
import { exists, type EngineObject } from '../sim-engine.ts'
import { SECOND } from '../time.ts'
import { aboutOf, byId, plain, plainBehaviour, uniqueCreate, type Profile } from './profile.ts'

const STALLED = 'a start stalls inside dockerd'

/** A container: unique names, and a start that runs an exited one again. Podman is the same. */
export const docker: Profile = {
  ...plain,
  name: 'docker',
  behaviour: { ...plainBehaviour, grace: 10 * SECOND },
  windows: [STALLED],
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
            engine.start(object, 'asked')
            return
          }
          object.stalled = true
          engine.time.after(stall, () => {
            if (!exists(object) || object.phase === 'running' || object.phase === 'dying') return
            moods.window(STALLED)
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
