import * as z from 'zod'
import { DockerRefusal } from '../../engines/docker-api.ts'
import type { DockerApi } from '../../engines/docker-api.ts'
import { errorText, PmanError } from '../../errors.ts'
import { NeedsPreparation } from '../contract.ts'
import type { Backend, BackendContext, BackendModule, Call, EngineJob, EngineRef, Found, Observation, Supports } from '../contract.ts'
import { containerBody } from './body.ts'
import { Containers } from './container.ts'
import type { Listed } from './container.ts'
import type { Flavour } from './flavour.ts'
import { flavourOf } from './flavours.ts'
import { imagePuller } from './images.ts'
import { containerLogs, logsOf } from './logs.ts'
import { optionProblems, parseOptions } from './options.ts'
import { requireProgram } from './program.ts'
import { createRejected } from './refusals.ts'
import { release } from './release.ts'
import { sessions } from './session.ts'
import { observationOf } from './state.ts'
import { remove, stop } from './stop.ts'
import type { DockerMount } from './types.ts'
import { checkMounts, dockerMounts, mountRefusal, storageProblems } from './storage.ts'

const supports: Supports = {
  image: true,
  memoryLimit: true,
  cpuLimit: true,
  gpuLimit: true,
  env: true,
  workers: false,
  user: true,
  timeLimit: false,
  logsWhileRunning: true,
  observesMany: false,
  stopForgets: false,
  labels: true,
}

/**
 * Jobs as containers of one Docker Engine, by its API over a unix socket or TLS. The container's full id is the ref; its name says who may
 * start it: see names.ts.
 */
export const docker: BackendModule = { supports, problems, open }

function problems({ options, storage }: Pick<BackendContext, 'options' | 'storage'>): string[] {
  return [...optionProblems(options), ...storageProblems(storage)]
}

/** How many containers are looked at side by side. */
const AT_ONCE = 8

function open(context: BackendContext): Backend {
  const { compute, deployment, storage, host } = context
  const wrong = storageProblems(storage)
  if (wrong.length > 0) throw new PmanError('config', wrong.join('\n'))
  const options = parseOptions(context.options)
  const session = sessions(options, context.credentials)
  const images = imagePuller(session, options.pull)
  const cpus = cpuCounter()

  const engine = async (): Promise<{ api: DockerApi; containers: Containers }> => {
    const { api } = await session()
    return { api, containers: new Containers(api, { deployment, compute }) }
  }

  async function look(containers: Containers, ref: EngineRef, { signal, log }: Call): Promise<Observation> {
    try {
      const container = await containers.get(ref, signal)
      if (container === undefined) return { kind: 'absent' }
      const observation = observationOf(container)
      if (observation.kind === 'unknown') log('docker.unknown-state', { ref, error: observation.error })
      return observation
    } catch (error) {
      return { kind: 'unknown', error: errorText(error) }
    }
  }

  async function looks(containers: Containers, refs: readonly EngineRef[], call: Call): Promise<Observation[]> {
    const seen: Observation[] = []
    for (let at = 0; at < refs.length; at += AT_ONCE) {
      seen.push(...(await Promise.all(refs.slice(at, at + AT_ONCE).map((ref) => look(containers, ref, call)))))
    }
    return seen
  }

  /** Each as it is now; one that has gone meanwhile is left out. */
  async function* found(containers: Containers, listed: readonly Listed[], call: Call): AsyncGenerator<Found> {
    for (let at = 0; at < listed.length; at += AT_ONCE) {
      call.signal.throwIfAborted()
      const some = listed.slice(at, at + AT_ONCE)
      const seen = await looks(containers, some.map(({ ref }) => ref), call)
      for (const [index, { engineName, ref, owner }] of some.entries()) {
        const observation = seen[index]
        if (observation !== undefined && observation.kind !== 'absent') yield { engineName, ref, observation, labels: owner }
      }
    }
  }

  return {
    supports,
    pollInterval: 1000,

    async check(spec) {
      requireProgram([...spec.entrypoint, ...spec.args])
      await checkMounts({ storage, host }, spec.mounts)
    },

    prepare: (job, call) => images.prepare(job.spec.image, call),

    async create(job, prepared, { signal }) {
      requireProgram(job.argv)
      const { api, containers } = await engine()
      const mounts = await dockerMounts(api, { storage, host }, job.spec.mounts, signal)
      const version = await api.version(signal)
      const flavour = flavourOf(version)
      await flavour.requireLimits(job, api, signal)
      const body = containerBody(job, images.resolve(job.spec.image, prepared), mounts, options, { product: version.product, cpus: await cpus(api, signal) })
      try {
        return await containers.create(flavour.creation(job.engineName, body), signal)
      } catch (error) {
        if (!(error instanceof DockerRefusal)) throw error
        return await madeBefore(containers, flavour, job, mounts, error, signal)
      }
    },

    async release(ref, attempt, call) {
      await release((await engine()).containers, ref, attempt, call)
    },

    async find(engineName, call) {
      const { containers } = await engine()
      const seen: Found[] = []
      for await (const one of found(containers, await containers.listed(call.signal, engineName), call)) seen.push(one)
      return seen
    },

    async observe(refs, call) {
      try {
        return await looks((await engine()).containers, refs, call)
      } catch (error) {
        return refs.map(() => ({ kind: 'unknown', error: errorText(error) }))
      }
    },

    async logs(ref, bounds, { signal }) {
      const { api, containers } = await engine()
      const container = await containers.get(ref, signal)
      if (container === undefined) throw new Error('the container is not there')
      if (container.state.Status === 'created') return { bytes: new Uint8Array(), truncated: false }
      const { canTail } = flavourOf(await api.version(signal))
      return containerLogs(logsOf(api, ref, signal), bounds, canTail)
    },

    async stop(ref, call) {
      return stop((await engine()).containers, ref, options.stopGrace, call)
    },

    async remove(ref, call) {
      return remove((await engine()).containers, ref, options.stopGrace, call)
    },

    async *list(call) {
      const { containers } = await engine()
      yield* found(containers, await containers.listed(call.signal), call)
    },

    async health({ signal }) {
      const { api } = await session()
      const began = Date.now()
      const { product, version, api: spoken } = await api.ping(signal)
      return { version: `${PRODUCTS[product]} ${version}, API ${spoken}`, latencyMs: Date.now() - began }
    },
  }
}

const PRODUCTS = { docker: 'Docker', podman: 'Podman' } as const

/**
 * The ref of the job's container, if a create that was sent before has made it, whatever the engine says to the second. Throws what the
 * refusal means otherwise: NeedsPreparation, EngineRejected, or the refusal itself where the engine does not say that it is the job's fault.
 */
async function madeBefore(
  containers: Containers,
  flavour: Flavour,
  job: EngineJob,
  mounts: readonly DockerMount[],
  refusal: DockerRefusal,
  signal: AbortSignal,
): Promise<EngineRef> {
  if (flavour.lacksImage(refusal)) throw new NeedsPreparation(refusal.message)
  const made = await containers.named(job.engineName, signal)
  const isInert = made?.state.Status === 'created' && made.name === job.engineName && made.engineName === job.engineName
  if (isInert) return made.ref
  if (!flavour.isAtFault(refusal)) throw refusal
  const mounted = mounts.map(({ Source, Target }) => ({ source: Source, target: Target }))
  throw mountRefusal(refusal.message, job.spec.mounts, mounts) ?? createRejected(refusal, job.spec, mounted)
}

const infoSchema = z.object({ NCPU: z.int().min(1) })

/** The CPUs of the engine's host, asked once for each client. */
function cpuCounter(): (api: DockerApi, signal: AbortSignal) => Promise<number> {
  const known = new WeakMap<DockerApi, number>()
  return async (api, signal) => {
    const before = known.get(api)
    if (before !== undefined) return before
    const { json } = await api.call({ method: 'GET', path: '/info', signal })
    const { NCPU } = infoSchema.parse(json)
    known.set(api, NCPU)
    return NCPU
  }
}
