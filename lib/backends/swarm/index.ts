import { DockerRefusal, isAtLeast } from '../../engines/docker-api.ts'
import { errorText, PmanError } from '../../errors.ts'
import { EngineRejected } from '../contract.ts'
import type { Backend, BackendContext, BackendModule, Call, EngineJob, EngineRef, Found, Observation, Supports } from '../contract.ts'
import { loginFor } from '../docker/images.ts'
import { fullName } from '../docker/images-reference.ts'
import { requireProgram } from '../docker/program.ts'
import { sessions } from '../docker/session.ts'
import { checkMounts, dockerMounts, storageProblems } from '../docker/storage.ts'
import type { Session } from '../docker/types.ts'
import { erase, release, stop } from './life.ts'
import { logOf } from './logs.ts'
import { readiness } from './node.ts'
import { explained, seen } from './observe.ts'
import { optionProblems, parseOptions } from './options.ts'
import { partsOf, Services } from './services.ts'
import type { Login, OwnService } from './services.ts'
import type { Task } from './shapes.ts'
import { cpuLimit, serviceSpec } from './spec.ts'

const supports: Supports = {
  image: true,
  memoryLimit: true,
  cpuLimit: true,
  gpuLimit: true,
  env: true,
  workers: true,
  user: true,
  timeLimit: false,
  logsWhileRunning: true,
  observesMany: true,
  stopForgets: true,
  labels: true,
}

/**
 * Jobs as one-shot services of a Docker Swarm: `number_of_workers` tasks without restart. A service without replicas is the inert object;
 * one versioned update, which the swarm takes once at most, releases it. To stop a service is to remove it, with its tasks and their logs:
 * a second update would be a second release.
 */
export const swarm: BackendModule = {
  supports,
  problems: ({ options, storage }) => [...optionProblems(options), ...storageProblems(storage)],
  open,
}

/** The oldest API whose services take a limit of processes and capabilities to drop; an older engine leaves them out without a word. */
const OLDEST_API = '1.41'

function open(context: BackendContext): Backend {
  const options = parseOptions(context.options)
  const session = sessions(options, context.credentials)
  const owner = { deployment: context.deployment, compute: context.compute }

  async function engine(): Promise<Session & { services: Services }> {
    const current = await session()
    return { ...current, services: new Services(current.api, owner) }
  }

  /** Never throws for one of them. */
  async function look(service: OwnService | undefined, tasks: readonly Task[], current: Session, { signal }: Call): Promise<Observation> {
    try {
      return await explained(seen(service, tasks), service?.spec.TaskTemplate.ContainerSpec?.Image ?? '', current, signal)
    } catch (error) {
      return { kind: 'unknown', error: errorText(error) }
    }
  }

  async function foundOf(services: readonly OwnService[], tasks: readonly Task[], current: Session, call: Call): Promise<Found[]> {
    const found: Found[] = []
    for (const service of services) {
      const own = tasks.filter(({ ServiceID }) => ServiceID === service.id)
      const { engineName, ref, owner: labels } = service
      found.push({ engineName, ref, observation: await look(service, own, current, call), labels })
    }
    return found
  }

  return {
    supports,
    pollInterval: 1000,

    async check(spec) {
      requireProgram([...spec.entrypoint, ...spec.args])
      await checkMounts(context, spec.mounts)
    },

    async create(job, _prepared, call) {
      requireProgram(job.argv)
      const { api, registries, services } = await engine()
      const { signal } = call
      const { api: version } = await api.version(signal)
      if (!isAtLeast(version, OLDEST_API)) throw new PmanError('config', `the engine's API is ${version}, jobs need ${OLDEST_API} or newer`)
      const mounts = await dockerMounts(api, context, job.spec.mounts, signal)
      const cpu = job.limits.cpu > 0 ? cpuLimit(job.limits.cpu, await services.nodes(signal)) : { nano: 0, constraints: [] }
      const spec = serviceSpec(job, { image: fullName(job.spec.image), mounts, api: version, cpu }, options)
      return make(services, job, spec, loginFor(job.spec.image, registries), call)
    },

    async release(ref, attempt, call) {
      const { registries, services } = await engine()
      const login = ({ spec }: OwnService) => loginFor(spec.TaskTemplate.ContainerSpec?.Image ?? '', registries)
      await release(services, ref, attempt, login, call)
    },

    async find(engineName, call) {
      const current = await engine()
      const services = await current.services.list(call.signal, engineName)
      const tasks = [...(await current.services.tasks(services.map(({ ref }) => ref), call.signal)).values()].flat()
      return foundOf(services, tasks, current, call)
    },

    async observe(refs, call) {
      try {
        const current = await engine()
        // In this order: of a service that is gone, no tasks are made any more.
        const services = await current.services.many(refs, call.signal)
        const tasks = await current.services.tasks(refs, call.signal)
        return await Promise.all(refs.map((ref) => look(services.get(ref), tasks.get(ref) ?? [], current, call)))
      } catch (error) {
        return refs.map(() => ({ kind: 'unknown', error: errorText(error) }))
      }
    },

    async logs(ref, bounds, { signal }) {
      const { api, services } = await engine()
      const service = await services.get(ref, signal)
      const tasks = (await services.tasks([ref], signal)).get(ref) ?? []
      if (service === undefined && tasks.length === 0) throw new Error('the job is not there')
      return logOf(api, tasks, bounds, signal)
    },

    async stop(ref, call) {
      return partsOf(ref) === undefined ? 'gone' : stop((await engine()).services, ref, call)
    },

    async remove(ref, call) {
      return partsOf(ref) === undefined ? 'gone' : erase((await engine()).services, ref, call)
    },

    async *list(call) {
      const current = await engine()
      const services = await current.services.list(call.signal)
      yield* await foundOf(services, await current.services.allTasks(call.signal), current, call)
    },

    async health({ signal }) {
      const began = Date.now()
      const { api } = await session()
      const version = await readiness(api, signal)
      return { version, latencyMs: Date.now() - began }
    },
  }
}

/** Names are unique: a service of this name is the one that an earlier call has made. Throws EngineRejected. */
async function make(services: Services, { engineName }: EngineJob, spec: object, login: Login, { signal, log }: Call): Promise<EngineRef> {
  try {
    const { ref, warning } = await services.create(engineName, spec, login, signal)
    if (warning !== undefined && warning !== '') log('swarm.warning', { engineName, warning })
    return ref
  } catch (error) {
    if (!(error instanceof DockerRefusal)) throw error
    if (error.status === 409) {
      const [earlier] = await services.list(signal, engineName)
      if (earlier !== undefined) return earlier.ref
    }
    if (error.status === 400) throw refused(error)
    throw error
  }
}

/** What the swarm says of a spec that it does not accept (swarmkit, manager/controlapi/service.go), and the field that it means. */
const BLAMED: readonly (readonly [RegExp, string])[] = [
  [/invalid memory value/i, 'memory_limit'],
  [/invalid cpu value/i, 'cpu_limit'],
  [/image reference/i, 'image'],
]

function refused(error: DockerRefusal): EngineRejected {
  const field = BLAMED.find(([pattern]) => pattern.test(error.message))?.[1]
  return new EngineRejected(error.message, { ...(field === undefined ? {} : { fields: { [field]: error.message } }), cause: error })
}
