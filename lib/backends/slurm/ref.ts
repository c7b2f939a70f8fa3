import * as z from 'zod'
import type { SlurmJob } from '../../engines/slurm-codec.ts'
import type { EngineRef } from '../contract.ts'

/** Which job of the controller it is. An id alone names none: after a crash of the controller it may be given to another job. */
const refSchema = z.strictObject({
  id: z.int().min(1),
  /** `<engine name>.<deployment>`. */
  name: z.string(),
  /** Seconds since 1970. */
  submitTime: z.int(),
  user: z.string(),
})
export type SlurmRef = z.infer<typeof refSchema>

export const jobName = (engineName: string, deployment: string): string => `${engineName}.${deployment}`

/** The ref as it is kept in the record, always with the same bytes. */
export const refText = ({ id, name, submitTime, user }: SlurmRef): EngineRef => JSON.stringify({ id, name, submitTime, user })

/** The parts of a ref; undefined for one that this driver never gave. */
export function parseRef(ref: EngineRef): SlurmRef | undefined {
  try {
    return refSchema.safeParse(JSON.parse(ref)).data
  } catch {
    return undefined
  }
}

/** The engine name in a job's name, if it is this deployment's. An engine name has no dot in it. */
export function engineNameIn(name: string, deployment: string): string | undefined {
  const dot = name.indexOf('.')
  return dot > 0 && name.slice(dot + 1) === deployment ? name.slice(0, dot) : undefined
}

/** Is this the very job that the ref names? */
export const isThatJob = (job: Pick<SlurmJob, 'id' | 'name' | 'submitTime' | 'user'>, ref: SlurmRef): boolean =>
  job.id === ref.id && job.name === ref.name && job.submitTime === ref.submitTime && job.user === ref.user
