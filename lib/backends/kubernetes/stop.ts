import { setTimeout as delay } from 'node:timers/promises'
import type { Pod } from '../../engines/kubernetes-objects.ts'
import type { Call } from '../contract.ts'
import { statusOf } from './credentials.ts'
import type { OwnJobs } from './jobs.ts'
import { isFinished } from './judge.ts'
import type { JobId } from './ref.ts'

/** How long one call waits for what it has asked for, in ms. */
const WAIT = 600
const LOOK_EVERY = 150

/** Ends that very Job by removing it; one that has ended for good is left as it is. */
export async function stop(jobs: OwnJobs, id: JobId, call: Call): Promise<'gone' | 'going'> {
  return isFinished(await jobs.byId(id, call.signal)) ? 'gone' : remove(jobs, id, call)
}

/**
 * Deletes that very Job, after its pods, and pods that have lost their Job. gone: there is neither. A release that arrives later finds
 * nothing to release; one that arrives while the Job is being deleted makes no pod.
 */
export async function remove(jobs: OwnJobs, id: JobId, { signal }: Call): Promise<'gone' | 'going'> {
  const until = Date.now() + WAIT
  for (let asked = false; ; asked = true) {
    const job = await jobs.byId(id, signal)
    const pods = job === undefined ? await jobs.podsOf([id.uid], signal) : []
    if (job === undefined && pods.length === 0) return 'gone'
    if (Date.now() > until) return 'going'
    if (!asked && job !== undefined) await unlessGone(jobs.ask((api) => api.deleteJob(id.name, id.uid, signal)))
    if (!asked) await Promise.all(pods.map((pod) => deletePod(jobs, pod, signal)))
    await delay(LOOK_EVERY)
  }
}

async function deletePod(jobs: OwnJobs, { metadata }: Pod, signal: AbortSignal): Promise<void> {
  const { name = '', uid = '', deletionTimestamp } = metadata ?? {}
  if (deletionTimestamp === undefined) await unlessGone(jobs.ask((api) => api.deletePod(name, uid, signal)))
}

/** 404: nothing has the name; 409: something else has it. */
async function unlessGone(deletion: Promise<void>): Promise<void> {
  await deletion.catch((error: unknown) => {
    if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error
  })
}
