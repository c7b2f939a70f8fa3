import type { EngineJob } from '../backends/contract.ts'
import type { ComputeSettings, IdRange } from './core.ts'
import type { RandomBytes } from './naming.ts'
import type { JobRecord, JobSpec } from './types.ts'

/** A job as its engine is to run it: the caller's spec with the compute's settings applied. */
export function engineJob(record: JobRecord, spec: JobSpec, compute: ComputeSettings, deployment: string, random: RandomBytes): EngineJob {
  const { compute: name, jid, generation, specHash } = record
  const limit = (asked: number, byDefault: number): number => (compute.ignoreLimits ? 0 : asked > 0 ? asked : byDefault)
  return {
    engineName: record.engineName,
    owner: { deployment, compute: name, jid, generation, specHash },
    spec,
    argv: [...spec.entrypoint, ...spec.args],
    env: lastOfEachKey(compute.homeWorkaround ? ['HOME=/tmp', ...spec.env] : spec.env),
    limits: {
      cpu: limit(spec.cpuLimit, compute.defaults.cpuLimit),
      memory: limit(spec.memoryLimit, compute.defaults.memoryLimit),
      gpu: limit(spec.gpuLimit, compute.defaults.gpuLimit),
      time: record.timeLimit ?? 0,
    },
    user: compute.user && { uid: pick(compute.user.uid, random), gid: pick(compute.user.gid, random) },
    siteLabels: compute.labels,
    shmSizeMiB: compute.shmSizeMiB,
  }
}

/** The shorter of what was asked and what the compute allows, in seconds; undefined: neither says. */
export function timeLimitOf(spec: JobSpec, compute: ComputeSettings): number | undefined {
  const limits = [spec.timeLimit, (compute.timeLimitMinutes ?? 0) * 60].filter((seconds) => seconds > 0)
  return limits.length === 0 ? undefined : Math.min(...limits)
}

function lastOfEachKey(env: readonly string[]): string[] {
  const byKey = new Map(env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry]))
  return [...byKey.values()]
}

/** One id of the range; the bias of the remainder is of no consequence for 32 random bits. */
function pick({ least, greatest }: IdRange, random: RandomBytes): number {
  const [a = 0, b = 0, c = 0, d = 0] = random(4)
  return least + ((((a << 24) >>> 0) + (b << 16) + (c << 8) + d) % (greatest - least + 1))
}
