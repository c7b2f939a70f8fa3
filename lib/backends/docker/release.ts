import { DockerRefusal } from '../../engines/docker-api.ts'
import { EngineRejected } from '../contract.ts'
import type { Call, EngineRef } from '../contract.ts'
import type { Container, Containers } from './container.ts'
import { failedName, failedReason, isStopped, startedName } from './names.ts'
import { withoutSources } from './redact.ts'
import { startReason } from './refusals.ts'

/**
 * Starts a job that has never been started, under the name of this attempt. Each of its calls may be late: a rename leads to a name that
 * only this attempt starts, once; a start finds its name taken away by a later attempt, or by a stop. Starting an exited container would
 * run it again.
 */
export async function release(containers: Containers, ref: EngineRef, attempt: number, { signal, log }: Call): Promise<void> {
  const seen = await containers.get(ref, signal)
  if (seen === undefined || !isStartable(seen)) return
  const name = startedName(seen.engineName, attempt)
  if (!(await containers.rename(ref, name, signal))) return
  const renamed = await containers.get(ref, signal)
  if (renamed?.name !== name || !isStartable(renamed)) return
  try {
    await containers.start(name, signal)
  } catch (error) {
    if (!(error instanceof DockerRefusal)) throw error
    log('docker.start-refused', { ref, attempt, status: error.status, message: error.message })
    await refused(containers, ref, attempt, error, signal)
  }
}

const isStartable = (container: Container): boolean =>
  container.state.Status === 'created' && !isStopped(container) && failedReason(container) === undefined

/**
 * A start that has failed leaves the container `created`, which could be started again: from here on nothing may. Throws EngineRejected
 * with the engine's words, in which no directory of its host is named. Of a first attempt nothing is left; a later one leaves the container
 * to tell why, since an earlier one may have been heard by nobody.
 */
async function refused(containers: Containers, ref: EngineRef, attempt: number, error: DockerRefusal, signal: AbortSignal): Promise<void> {
  const left = await containers.get(ref, signal)
  if (left?.state.Status !== 'created') return
  const reason = startReason(left.state.Error || error.message, left.state.ExitCode)
  await containers.rename(ref, failedName(left, reason), signal)
  // What is not deleted now is inert, and swept.
  if (attempt === 1) await containers.remove(ref, signal).catch(() => undefined)
  throw new EngineRejected(withoutSources(error.message, left.mounted), { reason, cause: error })
}
