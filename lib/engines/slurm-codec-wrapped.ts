import * as z from 'zod'
import { present, seconds, words } from './slurm-codec.ts'
import type { Codec, SlurmExit } from './slurm-codec.ts'
import { memory } from './slurm-codec-plain.ts'

/** `{set, infinite, number}`, or the number itself where a version has left it plain. */
const number = z
  .union([z.number(), z.object({ set: z.boolean(), infinite: z.boolean().nullish(), number: z.number().nullish() })])
  .nullish()
  .transform((value) => {
    if (typeof value === 'number') return value
    return value?.set === true && value.infinite !== true ? (value.number ?? undefined) : undefined
  })

/** A list of words from v0.0.40 on; a word in a few places of the older parsers. */
const states = z.union([z.array(z.string()), z.string()]).transform((value) => (typeof value === 'string' ? [value] : value))

/** The signal's number is `signal_id` in v0.0.40, `id` later. */
const exitSchema = z.object({
  return_code: number,
  signal: z.object({ id: number, signal_id: number }).nullish(),
})

const jobSchema = z.object({
  job_id: z.int(),
  name: words,
  user_name: words,
  submit_time: number,
  job_state: states,
  state_reason: words,
  state_description: words,
  start_time: number,
  end_time: number,
  exit_code: exitSchema.nullish(),
  nodes: words,
  comment: words,
  restart_cnt: number,
})

const accountedSchema = z.object({
  job_id: z.int(),
  name: words,
  user: words,
  nodes: z.string().nullish(),
  state: z.object({ current: states, reason: words }),
  time: z.object({ submission: number, start: number, end: number }),
  exit_code: exitSchema.nullish(),
})

function exitOf(exit: z.infer<typeof exitSchema> | null | undefined): SlurmExit | undefined {
  const signal = exit?.signal?.id ?? exit?.signal?.signal_id
  const code = exit?.return_code
  return code === undefined && signal === undefined ? undefined : { code: code ?? 0, signal: signal ?? 0 }
}

/**
 * v0.0.40 to v0.0.44 (SLURM 23.11 to 25.11): wrapped numbers, a list of states, a decoded exit code, the script inside of the job
 * (slurm.schedmd.com/rest_release_notes.html).
 */
export const wrappedCodec: Codec = {
  jobsPath: '/jobs/',

  submission: (job) => ({
    job: present({
      script: job.script,
      name: job.name,
      hold: true,
      requeue: false,
      environment: Object.entries(job.environment).map(([key, value]) => `${key}=${value}`),
      current_working_directory: job.workingDirectory,
      standard_output: job.output,
      standard_error: '/dev/null',
      comment: job.comment,
      tasks: job.tasks,
      cpus_per_task: job.cpusPerTask,
      ...Object.fromEntries(Object.entries(memory(job.memory)).map(([key, mib]) => [key, wrapped(mib)])),
      tres_per_node: job.gres === undefined ? undefined : `gres/${job.gres}`,
      time_limit: job.minutes === undefined ? undefined : wrapped(job.minutes),
      partition: job.partition,
      account: job.account,
      qos: job.qos,
    }),
  }),

  job(json) {
    const job = jobSchema.parse(json)
    return {
      id: job.job_id,
      name: job.name,
      user: job.user_name,
      submitTime: job.submit_time ?? 0,
      states: job.job_state,
      reason: job.state_reason,
      description: job.state_description,
      startTime: seconds(job.start_time),
      endTime: seconds(job.end_time),
      exit: exitOf(job.exit_code),
      nodes: job.nodes,
      comment: job.comment,
      restarts: job.restart_cnt ?? 0,
    }
  },

  accounted(json) {
    const { job_id, name, user, nodes, state, time, exit_code } = accountedSchema.parse(json)
    return {
      id: job_id,
      name,
      user,
      submitTime: time.submission ?? 0,
      states: state.current,
      reason: state.reason,
      startTime: seconds(time.start),
      endTime: seconds(time.end),
      exit: exitOf(exit_code),
      nodes: nodes ?? undefined,
    }
  },
}

const wrapped = (value: number) => ({ set: true, infinite: false, number: value })
