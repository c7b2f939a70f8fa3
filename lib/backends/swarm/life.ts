/** The one-way changes of a service: let run, or taken away for ever. Each is one update of the version that was read. */
import { setTimeout as delay } from 'node:timers/promises'
import { DockerRefusal } from '../../engines/docker-api.ts'
import { EngineRejected } from '../contract.ts'
import type { Call, EngineRef } from '../contract.ts'
import type { Login, OwnService, Services } from './services.ts'
import { LABEL } from './spec.ts'
import { phaseOf } from './states.ts'

/** How often a change begins anew, because somebody else has changed the service meanwhile. */
const TRIES = 3

/**
 * Lets an inert service run. One that was released or withdrawn, or is gone, is left as it is: nothing updates a service twice.
 * Throws EngineRejected if the swarm does not take the update, which then has not been made.
 */
export async function release(
  services: Services,
  ref: EngineRef,
  attempt: number,
  loginOf: (service: OwnService) => Login,
  { signal }: Call,
): Promise<void> {
  const service = await services.get(ref, signal)
  if (service?.life !== 'inert') return
  const change = { label: LABEL.released, value: String(attempt), replicas: service.workers }
  try {
    if ((await services.change(service, change, loginOf(service), signal)) === 'done') return
  } catch (error) {
    if (error instanceof DockerRefusal && error.status === 400) throw new EngineRejected(error.message, { cause: error })
    throw error
  }
  const now = await services.get(ref, signal)
  if (now?.life === 'inert') throw new Error('the service was changed by somebody else while it was to be released')
}

/** Leaves a service alone whose tasks have all ended: nothing updates it any more, and its log stays readable. Any other is removed. */
export async function stop(services: Services, ref: EngineRef, call: Call): Promise<'gone' | 'going'> {
  const service = await services.get(ref, call.signal)
  const hasRun = service?.life === 'released' && (await hasAllTasks(services, service, call.signal))
  return hasRun && (await isOver(services, ref, call.signal)) ? 'gone' : erase(services, ref, call)
}

/**
 * Removes the service, and with it every task, container and log. A service that is inert is withdrawn first, so that no release that was
 * under way can still make tasks; one that is released is removed once its tasks are there, since tasks that are made after a removal are
 * in no list that could be waited for. gone: no task of it is left that could run.
 */
export async function erase(services: Services, ref: EngineRef, { signal }: Call): Promise<'gone' | 'going'> {
  for (let tries = 0; tries < TRIES; tries++) {
    const service = await services.get(ref, signal)
    if (service === undefined) return (await isOver(services, ref, signal)) ? 'gone' : 'going'
    if (service.life === 'inert') {
      await services.change(service, { label: LABEL.withdrawn, value: 'yes', replicas: 0 }, undefined, signal)
      continue
    }
    const hasTasks = service.life === 'withdrawn' || (await tasksAreMade(services, service, signal))
    await services.remove(service, signal)
    return hasTasks && (await isOver(services, ref, signal)) ? 'gone' : 'going'
  }
  return 'going'
}

/** How long the swarm's own orchestrator is waited for, in ms; it makes tasks within a fraction of a second. */
const MADE_WITHIN = 3000
const LOOK_EVERY = 100

async function hasAllTasks(services: Services, { ref, workers, spec }: OwnService, signal: AbortSignal): Promise<boolean> {
  const tasks = (await services.tasks([ref], signal)).get(ref) ?? []
  return new Set(tasks.map(({ Slot }) => Slot)).size >= Math.min(workers, spec.Mode?.Replicated?.Replicas ?? 0)
}

async function tasksAreMade(services: Services, service: OwnService, signal: AbortSignal): Promise<boolean> {
  const until = Date.now() + MADE_WITHIN
  for (;;) {
    if (await hasAllTasks(services, service, signal)) return true
    if (Date.now() > until) return false
    await delay(LOOK_EVERY, undefined, { signal })
  }
}

async function isOver(services: Services, ref: EngineRef, signal: AbortSignal): Promise<boolean> {
  const tasks = (await services.tasks([ref], signal)).get(ref) ?? []
  return tasks.every((task) => phaseOf(task) === 'ended')
}
