import { PmanError } from '../../errors.ts'
import type { Backend, BackendContext, Call, EngineJob, EngineRef, Found, Supports } from '../contract.ts'
import { asking, sourceOf, statusOf } from './credentials.ts'
import { OwnJobs, type JobWithPods } from './jobs.ts'
import { judge } from './judge.ts'
import { isLabelValue, ownerOf } from './labels.ts'
import { logs } from './logs.ts'
import { jobManifest, type UserContext } from './manifest.ts'
import { observe } from './observe.ts'
import type { KubernetesOptions } from './options.ts'
import type { Verdict } from './pods.ts'
import { parseRef, refOf } from './ref.ts'
import { rejectionOf } from './refusals.ts'
import { release } from './release.ts'
import { remove, stop } from './stop.ts'

export const supports: Supports = {
  image: true,
  memoryLimit: true,
  cpuLimit: true,
  gpuLimit: true,
  env: true,
  workers: true,
  user: true,
  timeLimit: true,
  logsWhileRunning: true,
  observesMany: true,
  // A Job is stopped by deleting it, and its pods' logs go with it.
  stopForgets: true,
  labels: true,
}

/** What differs between clusters that speak this API. */
export interface Flavour {
  userContext: UserContext
  flavoured: (verdict: Verdict) => Verdict
}

/** Jobs as batch/v1 Jobs of one namespace, each made suspended. */
export function openDriver(context: BackendContext, options: KubernetesOptions, { userContext, flavoured }: Flavour): Backend {
  const { deployment, storage } = context
  if (!isLabelValue(deployment)) throw new PmanError('config', `the deployment '${deployment}' cannot be a label of Kubernetes`)
  const jobs = new OwnJobs(asking(sourceOf(context, options)), deployment)
  const observing = { imagePullBudget: options.imagePullBudgetSeconds * 1000, flavoured }

  /** The Job that a create has found in its place: ours, of the same name, and still to be released. */
  async function madeBefore(job: EngineJob, { signal }: Call): Promise<EngineRef | undefined> {
    const [found] = await jobs.named([job.engineName], signal)
    const { metadata } = found ?? {}
    if (found === undefined || judge(found, [], Date.now(), 0).observation.kind !== 'inert') return undefined
    return refOf({ name: metadata?.name ?? '', uid: metadata?.uid ?? '' })
  }

  async function* found(pages: AsyncIterable<JobWithPods[]>): AsyncGenerator<Found> {
    for await (const page of pages) {
      for (const { job, pods } of page) {
        const { name = '', uid = '' } = job.metadata ?? {}
        const { observation } = judge(job, pods, Date.now(), Infinity)
        yield { engineName: name, ref: refOf({ name, uid }), observation, labels: ownerOf(job.metadata ?? {}) }
      }
    }
  }

  return {
    supports,
    pollInterval: 1000,

    async create(job, _prepared, call) {
      const manifest = jobManifest(job, options, storage, userContext)
      try {
        const { job: made, warnings } = await jobs.ask((api) => api.createJob(manifest, call.signal))
        for (const warning of warnings) call.log('kubernetes.warning', { job: job.engineName, warning })
        return refOf({ name: made.metadata?.name ?? '', uid: made.metadata?.uid ?? '' })
      } catch (error) {
        const before = statusOf(error) === 409 ? await madeBefore(job, call) : undefined
        if (before !== undefined) return before
        throw rejectionOf(error)
      }
    },

    async release(ref, attempt, call) {
      const id = parseRef(ref)
      if (id !== undefined) await release(jobs, id, attempt, call)
    },

    async find(engineName, { signal }) {
      const seen: Found[] = []
      for (const job of await jobs.named([engineName], signal)) {
        const pods = await jobs.podsOf([job.metadata?.uid ?? ''], signal)
        for await (const one of found(pageOf([{ job, pods }]))) seen.push(one)
      }
      return seen
    },

    observe: (refs, call) => observe(jobs, refs, observing, call),

    async logs(ref, bounds, call) {
      const id = parseRef(ref)
      if (id === undefined) throw new Error('the job is not there')
      return logs(jobs, id, bounds, call)
    },

    async stop(ref, call) {
      const id = parseRef(ref)
      return id === undefined ? 'gone' : stop(jobs, id, call)
    },

    async remove(ref, call) {
      const id = parseRef(ref)
      return id === undefined ? 'gone' : remove(jobs, id, call)
    },

    list: ({ signal }) => found(jobs.pages(signal)),

    async health({ signal }) {
      const began = Date.now()
      const version = await jobs.ask((api) => api.version(signal))
      const latencyMs = Date.now() - began
      await jobs.named(['none'], signal)
      const { type, volume = '' } = storage
      if (type === 'kubernetes_pvc') await jobs.ask((api) => api.claim(volume, signal))
      return { version, latencyMs }
    },
  }
}

async function* pageOf<T>(page: T): AsyncGenerator<T> {
  yield page
}
