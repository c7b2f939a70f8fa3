import { errorText } from '../../errors.ts'
import { EngineRejected } from '../contract.ts'
import type { Backend, BackendContext, BackendModule, Call, EngineJob, EngineRef, Found, Observation, Supports } from '../contract.ts'
import { tailOfFile } from '../log-file.ts'
import { Folders } from './folder.ts'
import type { JobFile, Owned } from './folder.ts'
import { localiser } from './localise.ts'
import { resolveMounts } from './mounts.ts'
import { observe } from './observe.ts'
import { parseOptions, problems } from './options.ts'
import type { LocalOptions } from './options.ts'
import { release } from './release.ts'
import { stop } from './stop.ts'

const supports: Supports = {
  image: false,
  memoryLimit: false,
  cpuLimit: false,
  gpuLimit: false,
  env: true,
  workers: false,
  user: false,
  timeLimit: true,
  logsWhileRunning: true,
  observesMany: false,
  stopForgets: false,
  labels: true,
}

/**
 * Jobs as processes of the gateway's own host, for development: nothing but Node.js is needed, and nothing protects the host from a job.
 * A folder for each create, `<engine name>.<nonce>`, is the engine's object, and its name the ref. Whoever makes the claim file in it first
 * says what becomes of the job: a runner that starts it, or a stop. A claim is never taken back, and goes only with its folder.
 */
export const local: BackendModule = { supports, problems, open }

function open(context: BackendContext): Backend {
  const options = parseOptions(context)
  const folders = new Folders(options.directory, context.deployment)

  /** The job of a ref, as far as it is this deployment's. Throws if the directory cannot be read: then nothing is known of any. */
  async function ours(ref: EngineRef): Promise<Owned | undefined> {
    const folder = folders.at(ref)
    const job = await folder?.job()
    if (folder !== undefined && job !== undefined) return { ref, folder, job }
    if (folder !== undefined) await folders.reachable()
    return undefined
  }

  async function look(ref: EngineRef): Promise<Observation> {
    try {
      const owned = await ours(ref)
      return owned === undefined ? { kind: 'absent' } : await observe(owned.folder)
    } catch (error) {
      return { kind: 'unknown', error: errorText(error) }
    }
  }

  /** A folder whose owner cannot be read is nobody's to touch. */
  async function* found(refs: readonly EngineRef[], { signal, log }: Call): AsyncGenerator<Found> {
    for (const ref of refs) {
      signal.throwIfAborted()
      const owned = await ours(ref).catch((error: unknown) => {
        log('local.unreadable', { ref, error: errorText(error) })
        return undefined
      })
      if (owned === undefined) continue
      const { engineName, owner } = owned.job
      yield { engineName, ref, observation: await look(ref), labels: owner }
    }
  }

  return {
    supports,
    pollInterval: 250,

    async check(spec) {
      requireProgram([...spec.entrypoint, ...spec.args])
      await resolveMounts(options.storebase, spec.mounts)
    },

    async create(job, _prepared, { signal }) {
      const file = await jobFile(job, options)
      signal.throwIfAborted()
      return folders.make(file)
    },

    async release(ref, _attempt, call) {
      const owned = await ours(ref)
      if (owned !== undefined) await release(owned.folder, options.runner, call)
    },

    async find(engineName, call) {
      const seen: Found[] = []
      for await (const one of found(await folders.refs(engineName), call)) seen.push(one)
      return seen
    },

    observe: (refs) => Promise.all(refs.map(look)),

    async logs(ref, bounds) {
      const owned = await ours(ref)
      if (owned === undefined) throw new Error('the job is not there')
      return (await tailOfFile(owned.folder.file('log'), bounds)) ?? { bytes: new Uint8Array(), truncated: false }
    },

    async stop(ref) {
      const owned = await ours(ref)
      return owned === undefined ? 'gone' : stop(owned)
    },

    async remove(ref) {
      const owned = await ours(ref)
      if (owned !== undefined) {
        if ((await stop(owned)) === 'going') return 'going'
        await folders.moveAway(ref)
      }
      await folders.deleteMoved(ref)
      return 'gone'
    },

    async *list(call) {
      await folders.sweep(Date.now())
      yield* found(await folders.refs(), call)
    },

    async health() {
      const began = Date.now()
      await folders.tryOut()
      return { version: `Node.js ${process.version}, ${process.platform}`, latencyMs: Date.now() - began }
    },
  }
}

/** Throws EngineRejected: there is no image here that would say what to run. */
function requireProgram(argv: readonly string[]): void {
  if (argv.length > 0) return
  const problem = 'must name a program, since this engine has no image that would'
  throw new EngineRejected(`entrypoint: ${problem}`, { fields: { entrypoint: problem } })
}

/** What the runner is to do. Throws EngineRejected. */
async function jobFile(job: EngineJob, options: LocalOptions): Promise<JobFile> {
  requireProgram(job.argv)
  const localise = localiser(await resolveMounts(options.storebase, job.spec.mounts))
  const own = new Map([...Object.entries(options.environment), ...job.env.map(keyAndValue)])
  return {
    engineName: job.engineName,
    owner: job.owner,
    argv: job.argv.map(localise),
    env: Array.from(own, ([key, value]) => `${key}=${localise(value)}`),
    timeLimit: job.limits.time,
    killGrace: options.killGrace,
  }
}

function keyAndValue(entry: string): [string, string] {
  const at = entry.indexOf('=')
  return [entry.slice(0, at), entry.slice(at + 1)]
}
