import * as z from 'zod'
import { present, seconds, words } from './slurm-codec.ts'
import type { Codec, SlurmExit } from './slurm-codec.ts'

const number = z.number().nullish().transform((value) => value ?? undefined)

const jobSchema = z.object({
  job_id: z.int(),
  name: words,
  user_name: words,
  submit_time: z.int(),
  job_state: z.string(),
  state_reason: words,
  state_description: words,
  start_time: number,
  end_time: number,
  exit_code: number,
  nodes: words,
  comment: words,
  restart_cnt: number,
})

const accountedSchema = z.object({
  job_id: z.int(),
  name: words,
  user: words,
  nodes: z.string().nullish(),
  state: z.object({ current: z.string(), reason: words }),
  time: z.object({ submission: z.int(), start: number, end: number }),
})

/** `exit_code` is the status of wait(2): the code above, the signal in the lowest seven bits. */
export function decodeWaitStatus(status: number): SlurmExit {
  return { code: (status >> 8) & 0xff, signal: status & 0x7f }
}

/** v0.0.38 (SLURM 22.05 to 23.11): plain numbers, one word for the state, an encoded exit code. */
export const plainCodec: Codec = {
  jobsPath: '/jobs',

  submission: (job) => ({
    script: job.script,
    job: present({
      name: job.name,
      hold: true,
      // `requeue: false` is taken here, and has no effect.
      no_requeue: true,
      environment: job.environment,
      current_working_directory: job.workingDirectory,
      standard_output: job.output,
      standard_error: '/dev/null',
      comment: job.comment,
      tasks: job.tasks,
      cpus_per_task: job.cpusPerTask,
      ...memory(job.memory),
      gres: job.gres,
      time_limit: job.minutes,
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
      submitTime: job.submit_time,
      states: [job.job_state],
      reason: job.state_reason,
      description: job.state_description,
      startTime: seconds(job.start_time),
      endTime: seconds(job.end_time),
      exit: job.exit_code === undefined ? undefined : decodeWaitStatus(job.exit_code),
      nodes: job.nodes,
      comment: job.comment,
      restarts: job.restart_cnt ?? 0,
    }
  },

  accounted(json) {
    const { job_id, name, user, nodes, state, time } = accountedSchema.parse(json)
    return {
      id: job_id,
      name,
      user,
      submitTime: time.submission,
      states: [state.current],
      reason: state.reason,
      startTime: seconds(time.start),
      endTime: seconds(time.end),
      exit: undefined,
      nodes: nodes ?? undefined,
    }
  },
}

export function memory(asked: { perNode: number } | { perCpu: number } | undefined): Record<string, number> {
  if (asked === undefined) return {}
  return 'perNode' in asked ? { memory_per_node: asked.perNode } : { memory_per_cpu: asked.perCpu }
}
