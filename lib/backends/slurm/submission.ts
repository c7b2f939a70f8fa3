import type { Submission } from '../../engines/slurm-codec.ts'
import type { SlurmRefusal } from '../../engines/slurm-errors.ts'
import { EngineRejected } from '../contract.ts'
import type { EngineJob } from '../contract.ts'
import { outputPath } from './directory.ts'
import { COMMENT_BYTES, commentLabel } from './labels.ts'
import { directoriesOf } from './mounts.ts'
import type { SlurmOptions } from './options.ts'
import { jobName } from './ref.ts'
import { batchScript } from './script.ts'

/** slurmctld's default max_script_size; it refuses more by 2012. */
const MAX_SCRIPT = 4 * 1024 * 1024

/** What is asked of SLURM for a job. Throws EngineRejected for what cannot be asked. Pure. */
export function submissionOf(job: EngineJob, options: SlurmOptions): Submission {
  requireProgram(job.argv)
  const { engineName, owner, spec, limits } = job
  const { directory, template, storebase } = options
  const name = jobName(engineName, owner.deployment)
  const label = commentLabel(owner, directory === undefined)
  // Which of them would share a node, and so its GPUs, is not known before they run.
  if (limits.gpu > 0 && spec.workers > 1) throw rejected({ gpuLimit: 'is not done for more than one worker by this engine' })
  const { input, output } = directoriesOf(spec.mounts, template, storebase)
  const script = batchScript({
    engineName,
    template,
    prologue: options.prologue,
    values: { image: spec.image, workdir: options.workdir, input, output, workers: String(spec.workers) },
    storebase: options.checkDirectories ? storebase : undefined,
    argv: job.argv,
    env: job.env,
    workers: spec.workers,
    comment: directory === undefined ? { label, room: COMMENT_BYTES } : undefined,
  })
  if (Buffer.byteLength(script) > MAX_SCRIPT) throw rejected({ args: `the job's words are too long for a script of ${MAX_SCRIPT} bytes` })
  const cpus = limits.cpu === 0 ? undefined : Math.ceil(limits.cpu / 1000)
  return {
    name,
    script,
    environment: options.environment,
    workingDirectory: options.workdir,
    output: directory === undefined ? '/dev/null' : outputPath(directory, name),
    comment: label,
    tasks: spec.workers,
    cpusPerTask: cpus,
    memory: limits.memory === 0 ? undefined : memoryOf(limits.memory, spec.workers, cpus ?? 1),
    gres: limits.gpu === 0 ? undefined : `${options.gres}:${limits.gpu}`,
    minutes: limits.time === 0 ? undefined : Math.ceil(limits.time / 60),
    partition: options.partition,
    account: options.account,
    qos: options.qos,
  }
}

/** A limit is each worker's own, and several may share a node; rounded up, since CPUs share it evenly. */
function memoryOf(mib: number, workers: number, cpus: number): Submission['memory'] {
  return workers === 1 ? { perNode: mib } : { perCpu: Math.ceil(mib / cpus) }
}

/** Throws EngineRejected: what an image would run by itself is not known here. */
export function requireProgram(argv: readonly string[]): void {
  if (argv.length === 0) throw rejected({ entrypoint: 'must name a program, since this engine does not look into the image' })
}

type Limit = 'cpuLimit' | 'memoryLimit' | 'gpuLimit' | 'timeLimit' | 'workers'
const SIZES: readonly Limit[] = ['cpuLimit', 'memoryLimit', 'gpuLimit', 'timeLimit', 'workers']

/** Which of a job's limits a code of `slurm/slurm_errno.h` is about, if the job has one. */
const BLAMED: ReadonlyMap<number, readonly Limit[]> = new Map([
  [2005, ['cpuLimit', 'workers']],
  [2006, ['workers']],
  [2014, SIZES],
  [2015, SIZES],
  [2025, ['workers']],
  [2044, ['memoryLimit']],
  [2051, ['timeLimit']],
  [2069, ['cpuLimit']],
  [2072, ['gpuLimit']],
  [2119, ['gpuLimit']],
  [2122, ['gpuLimit']],
  [2134, ['gpuLimit']],
  // All that 22.05 says of a gres that the cluster does not have; the rest of what is sent, it can parse.
  [9001, ['gpuLimit']],
])

/** SLURM's refusal of a submission as the core takes it, naming the limits that may be to blame. */
export function rejection(job: EngineJob, codes: readonly number[], text: string, cause?: SlurmRefusal): EngineRejected {
  const { limits, spec } = job
  const asked: Readonly<Record<Limit, boolean>> = {
    cpuLimit: limits.cpu > 0,
    memoryLimit: limits.memory > 0,
    gpuLimit: limits.gpu > 0,
    timeLimit: limits.time > 0,
    workers: spec.workers > 1,
  }
  const blamed = SIZES.filter((limit) => asked[limit] && codes.some((code) => BLAMED.get(code)?.includes(limit)))
  const fields = Object.fromEntries(blamed.map((limit) => [limit, 'is more than this cluster or its partition allows']))
  return new EngineRejected(`SLURM does not take the job: ${text}`, { ...(blamed.length === 0 ? {} : { fields }), cause })
}

function rejected(fields: Readonly<Record<string, string>>): EngineRejected {
  return new EngineRejected(Object.entries(fields).map(([field, text]) => `${field}: ${text}`).join('; '), { fields })
}
