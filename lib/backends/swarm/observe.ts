/** What a swarm says of a job, and what else is asked where its own words leave the reason open. */
import { DockerRefusal } from '../../engines/docker-api.ts'
import type { Reason } from '../../jobs/reasons.ts'
import { EngineRejected, NotYet } from '../contract.ts'
import type { Observation } from '../contract.ts'
import { pullFailure } from '../docker/images-failure.ts'
import { loginFor } from '../docker/images.ts'
import { fullName } from '../docker/images-reference.ts'
import type { Session } from '../docker/types.ts'
import { fold } from './fold.ts'
import type { Folded } from './fold.ts'
import { ranOutOfMemory } from './node.ts'
import type { OwnService } from './services.ts'
import type { Task } from './shapes.ts'
import { phaseOf } from './states.ts'

/** What a service, which was asked for first, and its tasks say. */
export function seen(service: OwnService | undefined, tasks: readonly Task[]): Folded {
  if (service === undefined) return { observation: removed(tasks) }
  const { life, workers, note, spec } = service
  if (life === 'inert' && tasks.length === 0) return { observation: { kind: 'inert' } }
  if (life === 'withdrawn') return { observation: { kind: 'state', phase: 'withdrawn' } }
  // Someone else has scaled it down: the swarm deletes the tasks, and what they did cannot be told.
  if ((spec.Mode?.Replicated?.Replicas ?? 0) === 0) return { observation: scaledDown(tasks) }
  return fold(tasks, { workers, note })
}

/** A removed service is 404 at once, while its containers run on until they have ended. */
function removed(tasks: readonly Task[]): Observation {
  const isOver = tasks.every((task) => phaseOf(task) === 'ended')
  return isOver ? { kind: 'absent' } : { kind: 'state', phase: 'stopping', message: 'its service is removed; its tasks have yet to end' }
}

function scaledDown(tasks: readonly Task[]): Observation {
  const message = 'someone has scaled its service down to 0, which ends its tasks and deletes what is known of them'
  if (tasks.some((task) => phaseOf(task) !== 'ended')) return { kind: 'state', phase: 'stopping', message }
  return { kind: 'state', phase: 'ended', reason: 'Evicted', message }
}

/**
 * The same with the reason that only others know: the registry, why there is no image, and the node's engine, if it is the one that is
 * spoken to, whether memory had run out. Throws if one of them could not be asked.
 */
export async function explained(folded: Folded, image: string, session: Session, signal: AbortSignal): Promise<Observation> {
  const { observation, culprit } = folded
  if (observation.kind !== 'state' || observation.phase !== 'ended' || culprit === undefined) return observation
  if (observation.reason === 'ImageNotFound') {
    const found = await askRegistry(image, session, signal)
    return found === undefined ? observation : { ...observation, ...found, message: [observation.message, found.message].join('; ') }
  }
  const container = culprit.Status.ContainerStatus?.ContainerID
  if (observation.exitCode !== undefined && container !== undefined && (await ranOutOfMemory(session.api, container, signal))) {
    return { ...observation, reason: 'OutOfMemory', message: [observation.message, 'it was killed for want of memory'].join('; ') }
  }
  return observation
}

interface WhyNoImage {
  reason: Reason
  message: string
}

/** A node logs why a pull has failed, and tells only that there is no image (swarmkit's executor); the registry itself says more. */
async function askRegistry(image: string, { api, registries }: Session, signal: AbortSignal): Promise<WhyNoImage | undefined> {
  const login = loginFor(image, registries)
  const headers = login === undefined ? {} : { 'x-registry-auth': login }
  try {
    await api.call({ method: 'GET', path: `/distribution/${fullName(image)}/json`, headers, signal })
    return undefined
  } catch (error) {
    if (!(error instanceof DockerRefusal)) throw error
    const failure = pullFailure(image, error.message, login !== undefined)
    return failure instanceof EngineRejected || failure instanceof NotYet ? { reason: failure.reason, message: error.message } : undefined
  }
}
