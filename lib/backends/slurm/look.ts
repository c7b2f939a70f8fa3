import { errorText } from '../../errors.ts'
import type { SlurmJob } from '../../engines/slurm-codec.ts'
import type { SlurmRest } from '../../engines/slurm-rest.ts'
import { EngineAnswer } from '../../engines/transport.ts'
import type { Observation } from '../contract.ts'
import type { SharedDirectory } from './directory.ts'
import { accountedObservation, isFinal, observationOf } from './observe.ts'
import { engineNameIn, isThatJob } from './ref.ts'
import type { SlurmRef } from './ref.ts'

/**
 * Up to so many jobs are asked for one by one, beyond it by one list of the whole cluster's, which has some 3 KB for each job of everybody;
 * measured by test/backends/slurm/thousand.test.ts.
 */
export const LIST_ABOVE = 64
/** Look-ups at a time: slurmrestd answers each within a few ms, and the controller has others to serve. */
const AT_ONCE = 8

/** Looks at jobs, as the controller, the accounting database and the notes of the shared directory tell of them. */
export class Looks {
  readonly #slurm: SlurmRest
  readonly #deployment: string
  readonly #directory: SharedDirectory | undefined

  constructor(slurm: SlurmRest, deployment: string, directory: SharedDirectory | undefined) {
    this.#slurm = slurm
    this.#deployment = deployment
    this.#directory = directory
  }

  /** Is it a job of this deployment? Another's is asked for all the same, so that silence is not taken for an absence. */
  isOurs({ name }: SlurmRef): boolean {
    return engineNameIn(name, this.#deployment) !== undefined
  }

  /** The controller's record of this very job; undefined: it has none, whoever's job has the id by now. Throws if it cannot be asked. */
  async job(ref: SlurmRef, signal: AbortSignal): Promise<SlurmJob | undefined> {
    const job = await this.#slurm.job(ref.id, signal)
    return job !== undefined && isThatJob(job, ref) && this.isOurs(ref) ? job : undefined
  }

  /** One for each, in their order; a failure is that one's alone. */
  async many(refs: readonly (SlurmRef | undefined)[], signal: AbortSignal): Promise<Observation[]> {
    let listed: ReadonlyMap<number, SlurmJob>
    try {
      listed = await this.#listed(new Set(refs.map((ref) => ref?.id)).size, signal)
    } catch (error) {
      return refs.map(() => ({ kind: 'unknown', error: errorText(error) }))
    }
    const answers = new Map<number, Observation>()
    const queue = refs.entries()
    const worker = async (): Promise<void> => {
      for (const [index, ref] of queue) answers.set(index, ref === undefined ? { kind: 'absent' } : await this.#one(ref, listed, signal))
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return refs.map((_, index) => answers.get(index) ?? { kind: 'unknown', error: 'was not asked' })
  }

  /** What a job that was just read is to the core: one that has ended and was removed is there no more. */
  async seen(ref: SlurmRef, job: SlurmJob): Promise<Observation> {
    const observation = observationOf(job)
    if (!isFinal(observation) || this.#directory === undefined) return observation
    return (await this.#directory.isRemoved(ref)) ? { kind: 'absent' } : observation
  }

  /** The list, where it is worth it. One that is too long to be read is done without: jobs are asked for one by one. */
  async #listed(count: number, signal: AbortSignal): Promise<ReadonlyMap<number, SlurmJob>> {
    if (count <= LIST_ABOVE) return new Map()
    try {
      return new Map((await this.#slurm.jobs(signal)).map((job) => [job.id, job]))
    } catch (error) {
      if (error instanceof EngineAnswer) return new Map()
      throw error
    }
  }

  async #one(ref: SlurmRef, listed: ReadonlyMap<number, SlurmJob>, signal: AbortSignal): Promise<Observation> {
    try {
      // A job that is not in the list may be hidden from it: only the look-up's own answer is an absence.
      const inList = listed.get(ref.id)
      const job = inList !== undefined && isThatJob(inList, ref) && this.isOurs(ref) ? inList : await this.job(ref, signal)
      return job === undefined ? await this.#forgotten(ref, signal) : await this.seen(ref, job)
    } catch (error) {
      return { kind: 'unknown', error: errorText(error) }
    }
  }

  /** The controller has no such job: it has forgotten it, or lost it in a crash before it was written down. */
  async #forgotten(ref: SlurmRef, signal: AbortSignal): Promise<Observation> {
    if (!this.isOurs(ref) || (await this.#directory?.isRemoved(ref)) === true) return { kind: 'absent' }
    // Whose it was is not told of a user without an association; the name and the second of its submission are enough.
    const accounted = await this.#slurm.accounted(ref.id, signal)
    const remembered = accounted.find((job) => isThatJob({ ...job, user: job.user || ref.user }, ref))
    return remembered === undefined ? { kind: 'absent' } : accountedObservation(remembered)
  }
}
