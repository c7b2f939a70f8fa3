import { pointer } from '../../engines/kubernetes-refusal.ts'
import type { Call } from '../contract.ts'
import { statusOf } from './credentials.ts'
import type { OwnJobs } from './jobs.ts'
import { RELEASED, UNRELEASED } from './manifest.ts'
import type { JobId } from './ref.ts'

/**
 * Lets the Job run if nobody has before: one patch that compares, so that of several, however late, one has an effect. Throws if the Job
 * was neither released nor is gone: then it is not known why.
 */
export async function release(jobs: OwnJobs, id: JobId, attempt: number, { signal }: Call): Promise<void> {
  const released = pointer('metadata', 'annotations', RELEASED)
  try {
    await jobs.patch(
      id,
      [
        { op: 'test', path: released, value: UNRELEASED },
        { op: 'replace', path: released, value: `attempt ${attempt}` },
        { op: 'replace', path: '/spec/suspend', value: false },
      ],
      signal,
    )
  } catch (error) {
    if (statusOf(error) === 404) return
    if (statusOf(error) !== 422) throw error
    const job = await jobs.byId(id, signal)
    if (job?.metadata?.annotations?.[RELEASED] === UNRELEASED) throw error
  }
}
