/** What slurmrestd says and is told, in the words of this client; each version's own words are in the two codecs. */
import * as z from 'zod'

/** How a program ended; both 0 for a success. */
export interface SlurmExit {
  code: number
  signal: number
}

/** A job as the controller tells of it. Times are seconds since 1970. */
export interface SlurmJob {
  id: number
  name: string
  user: string
  submitTime: number
  /** One base state, and flags such as COMPLETING. */
  states: readonly string[]
  /** Why it is in that state: `None`, or a word of `job_state_reason_string` (src/common/slurm_protocol_defs.c). */
  reason: string
  /** The same in a sentence, where there is one. */
  description: string
  /** Of its run or, while it waits or runs, what the scheduler expects. */
  startTime: number | undefined
  endTime: number | undefined
  exit: SlurmExit | undefined
  /** Where it runs or has run; empty if it was never given a place. */
  nodes: string
  comment: string
  /** How often it was put back into the queue. */
  restarts: number
}

/**
 * A job as the accounting database remembers it; `user` is empty for one without an association. Its exit code is not to be trusted in
 * v0.0.38, which has 0 for an exit 3.
 */
export interface AccountedJob extends Omit<SlurmJob, 'nodes' | 'comment' | 'restarts' | 'description'> {
  nodes: string | undefined
}

/** What is asked for; undefined: the site's default. */
export interface Submission {
  name: string
  script: string
  environment: Readonly<Record<string, string>>
  workingDirectory: string
  /** Of the script's standard output; may hold `%j`. What slurmd itself writes to standard error, it has as a state and a reason too. */
  output: string
  comment: string
  tasks: number
  cpusPerTask: number | undefined
  /** MiB: for the job where it is one task, else for each CPU. */
  memory: { perNode: number } | { perCpu: number } | undefined
  /** `gpu:2`. */
  gres: string | undefined
  minutes: number | undefined
  partition: string | undefined
  account: string | undefined
  qos: string | undefined
}

/** One shape of requests and answers. */
export interface Codec {
  /** The path of the list, below the version's own. */
  jobsPath: string
  /** The body of a submission: held, and never put back into the queue by itself. */
  submission(job: Submission): unknown
  /** Throws what zod throws if this is no job. */
  job(json: unknown): SlurmJob
  accounted(json: unknown): AccountedJob
}

/** SLURM leaves out, or has as null or "", what it does not know. */
export const words = z.string().nullish().transform((value) => value ?? '')

/** 0: not yet. */
export const seconds = (value: number | undefined): number | undefined => (value === undefined || value === 0 ? undefined : value)

/** Without the keys that are undefined: slurmrestd takes none for what it does not know. */
export function present(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
