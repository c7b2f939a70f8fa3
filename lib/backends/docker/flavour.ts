import type { DockerApi, DockerRefusal, EngineVersion } from '../../engines/docker-api.ts'
import type { EngineJob } from '../contract.ts'
import type { ContainerBody } from './body.ts'

/** Where the engines that speak Docker's API differ. All else of the driver is the same on each. */
export interface Flavour {
  /** How a container of this name is asked for. Throws EngineRejected for what this engine would make a wrong one of. */
  creation(name: string, body: ContainerBody): { path: string; query?: Readonly<Record<string, string>>; body: object }
  /** Throws EngineRejected, naming the field, for a limit that this engine would take and not keep. */
  requireLimits(job: EngineJob, api: DockerApi, signal: AbortSignal): Promise<void>
  /** Does `tail` of its logs give their end as it is? */
  canTail: boolean
  /** Does it say that a container was killed for its memory? */
  tellsOutOfMemory(engine: EngineVersion): boolean
  /** Was a create refused because the engine has no such image? */
  lacksImage(refusal: DockerRefusal): boolean
  /** Was a create refused for what it asks? Otherwise it says nothing of the job. */
  isAtFault(refusal: DockerRefusal): boolean
}

/** 409 and 5xx say nothing of the job. */
const AT_FAULT: ReadonlySet<number> = new Set([400, 403, 404, 422])

export const dockerFlavour: Flavour = {
  creation: (name, body) => ({ path: '/containers/create', query: { name }, body }),
  requireLimits: async () => undefined,
  canTail: true,
  tellsOutOfMemory: () => true,
  // moby: daemon/images, errdefs of ErrImageDoesNotExist.
  lacksImage: ({ status, message }) => status === 404 && /no such image|manifest unknown/i.test(message),
  isAtFault: ({ status }) => AT_FAULT.has(status),
}
