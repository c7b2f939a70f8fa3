import * as z from 'zod'
import type { DockerApi } from '../../engines/docker-api.ts'
import { EngineAnswer } from '../../engines/transport.ts'
import { EngineRejected } from '../contract.ts'
import type { EngineJob } from '../contract.ts'

/** What of `GET /libpod/info` (containers/podman v4: libpod/define/info.go, HostInfo) says which limits are kept. */
const infoSchema = z.object({
  host: z.object({ cgroupVersion: z.string(), cgroupControllers: z.array(z.string()).nullish(), security: z.object({ rootless: z.boolean() }) }),
})

/** How this Podman keeps limits: by these controllers of cgroups. */
export interface Keeper {
  rootless: boolean
  cgroupVersion: string
  controllers: readonly string[]
}

/** Asked once for each client: a Podman that is set up anew is started anew. */
const known = new WeakMap<DockerApi, Keeper>()

/** Throws what the engine could not be asked for. */
export async function keeperOf(api: DockerApi, signal: AbortSignal): Promise<Keeper> {
  const before = known.get(api)
  if (before !== undefined) return before
  const path = '/libpod/info'
  const { data, error } = infoSchema.safeParse((await api.call({ method: 'GET', path, signal })).json)
  if (error !== undefined) throw new EngineAnswer(`GET ${path}: ${error.message}`, 200, undefined, error)
  const { cgroupVersion, cgroupControllers, security } = data.host
  const keeper = { rootless: security.rootless, cgroupVersion, controllers: cgroupControllers ?? [] }
  known.set(api, keeper)
  return keeper
}

/** runc's processes need that much to begin with; Docker has the same bound (moby: daemon/daemon_unix.go, linuxMinMemory). */
const LEAST_MEMORY = 6

/**
 * A Podman without root has the controllers that its user was given, none on cgroups v1, and there takes limits and ignores them
 * (containers/podman: pkg/specgen/generate/validate.go). Throws EngineRejected with each field of a limit that would not be kept.
 */
export function requireLimits({ limits, spec }: Pick<EngineJob, 'limits' | 'spec'>, { rootless, cgroupVersion, controllers }: Keeper): void {
  const kept = (controller: string): boolean => controllers.includes(controller) && !(rootless && cgroupVersion === 'v1')
  const why = (controller: string): string =>
    `this Podman ${rootless ? 'runs without root and ' : ''}cannot keep this limit: it has no cgroup controller '${controller}'; ` +
    'delegate it to its user (cgroups v2), or set IGNORE_LIMITS=yes'
  const wrong = [
    ...(limits.memory > 0 && !kept('memory') ? [['memory_limit', why('memory')] as const] : []),
    ...(limits.memory > 0 && limits.memory < LEAST_MEMORY ? [['memory_limit', `must be at least ${LEAST_MEMORY} MiB, or 0 for none`] as const] : []),
    ...(limits.cpu > 0 && !kept('cpu') ? [['cpu_limit', why('cpu')] as const] : []),
  ]
  if (wrong.length === 0) return
  const own = spec.memoryLimit > 0 || spec.cpuLimit > 0 ? '' : ' (a default of this compute)'
  const text = wrong.map(([field, problem]) => `${field}: ${problem}`).join('; ')
  throw new EngineRejected(`${text}${own}`, { fields: Object.fromEntries(wrong) })
}
