import { DockerRefusal } from '../../engines/docker-api.ts'
import type { Call, EngineRef } from '../contract.ts'
import type { Container, Containers } from './container.ts'
import { isStopped, stoppedName } from './names.ts'

const ENDED: ReadonlySet<string> = new Set(['exited', 'stopped', 'dead'])
/** What has no process, and gets none but by a start. */
const RESTING: ReadonlySet<string> = new Set([...ENDED, 'created'])

/** What of the call's time is left for the looks around a stop, in ms. */
const MARGIN = 1500

/**
 * Makes sure that the job never runs, or ends it. The name is taken away first, so that a start that arrives later finds none; what has never
 * run is deleted, since that alone no rename brings back. `grace`: seconds between SIGTERM and SIGKILL.
 */
export async function stop(containers: Containers, ref: EngineRef, grace: number, call: Call): Promise<'gone' | 'going'> {
  const { signal } = call
  const seen = await containers.get(ref, signal)
  if (seen === undefined || ENDED.has(seen.state.Status)) return 'gone'
  if (!isStopped(seen)) await containers.rename(ref, stoppedName(seen), signal)
  const fenced = await containers.get(ref, signal)
  if (fenced === undefined) return 'gone'
  if (fenced.state.Status === 'created') return removed(containers, fenced, signal)
  if (!RESTING.has(fenced.state.Status) && fenced.state.Status !== 'removing') await containers.stop(ref, withinCall(grace, call), signal)
  const left = await containers.get(ref, signal)
  return left === undefined || ENDED.has(left.state.Status) ? 'gone' : 'going'
}

/** Stops it, then deletes it. */
export async function remove(containers: Containers, ref: EngineRef, grace: number, call: Call): Promise<'gone' | 'going'> {
  if ((await stop(containers, ref, grace, call)) === 'going') return 'going'
  const left = await containers.get(ref, call.signal)
  return left === undefined ? 'gone' : removed(containers, left, call.signal)
}

/** Deletes it, never by force: it may have been started meanwhile. Throws if the engine will not, though nothing runs. */
async function removed(containers: Containers, { ref }: Container, signal: AbortSignal): Promise<'gone' | 'going'> {
  try {
    await containers.remove(ref, signal)
    return 'gone'
  } catch (error) {
    if (!(error instanceof DockerRefusal)) throw error
    const left = await containers.get(ref, signal)
    if (left === undefined) return 'gone'
    if (RESTING.has(left.state.Status)) throw error
    return 'going'
  }
}

const withinCall = (grace: number, { deadline }: Call): number =>
  Math.max(0, Math.min(grace, Math.floor((deadline - Date.now() - MARGIN) / 1000)))
