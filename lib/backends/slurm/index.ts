import { SlurmRefusal, NOTES } from '../../engines/slurm-errors.ts'
import { slurmRest } from '../../engines/slurm-rest.ts'
import type { SlurmJob } from '../../engines/slurm-codec.ts'
import { tailOf } from '../../jobs/log-tail.ts'
import type { LogBounds, LogTail } from '../../jobs/types.ts'
import type { Backend, BackendContext, BackendModule, Call, EngineJob, Found, Observation, Supports } from '../contract.ts'
import { logInComment } from './comment-log.ts'
import { loginFrom } from './credentials.ts'
import { SharedDirectory } from './directory.ts'
import { labelsIn } from './labels.ts'
import { Looks } from './look.ts'
import { requireDirectories } from './mounts.ts'
import { isFinal, observationOf } from './observe.ts'
import { parseOptions, problems } from './options.ts'
import { engineNameIn, jobName, parseRef, refText } from './ref.ts'
import type { SlurmRef } from './ref.ts'
import { rejection, requireProgram, submissionOf } from './submission.ts'

const supports: Supports = {
  image: true,
  memoryLimit: true,
  cpuLimit: true,
  gpuLimit: true,
  env: true,
  workers: true,
  // The token's.
  user: false,
  timeLimit: true,
  logsWhileRunning: true,
  observesMany: true,
  stopForgets: false,
  labels: true,
}

/**
 * Jobs of a SLURM cluster, by slurmrestd. A job is submitted held, which makes it inert, and released by taking the hold off; one that was
 * cancelled meanwhile refuses that. Ids are given again after a crash of the controller, so the job's name, submit time and user are
 * compared before anything is made of it.
 */
export const slurm: BackendModule = { supports, problems, open }

function open(context: BackendContext): Backend {
  const options = parseOptions(context)
  const { compute, deployment } = context
  const login = loginFrom(compute, context.credentials)
  const slurm = slurmRest({ baseUrl: options.url.replace(/\/+$/, ''), tls: { ca: options.ca } }, login, options.apiVersion)
  const directory = options.directory === undefined ? undefined : new SharedDirectory(options.directory)
  const looks = new Looks(slurm, deployment, directory)

  /** Everything of this deployment that the controller knows, but for what was removed. */
  async function* found({ signal }: Call, engineName?: string): AsyncGenerator<Found> {
    const { user } = await login({ fresh: false }, signal)
    const ours = (await slurm.jobs(signal)).filter((job) => job.user === user && engineNameIn(job.name, deployment) !== undefined)
    for (const job of ours) {
      const name = engineNameIn(job.name, deployment)
      if (name === undefined || (engineName !== undefined && name !== engineName)) continue
      const observation = await looks.seen(job, job)
      if (observation.kind === 'absent') continue
      // Without notes of what was removed, nobody may take a job that has ended for one that was lost.
      const labels = directory === undefined && isFinal(observation) ? undefined : labelsIn(job.comment, deployment)
      yield { engineName: name, ref: refText(job), observation, ...(labels === undefined ? {} : { labels }) }
    }
    if (directory !== undefined && engineName === undefined) await directory.sweep(deployment, ours)
  }

  async function stopped(ref: SlurmRef, { signal }: Call): Promise<'gone' | 'going'> {
    const job = await looks.job(ref, signal)
    if (job === undefined || isFinal(observationOf(job))) return 'gone'
    if (!isStopping(observationOf(job))) await slurm.cancel(ref.id, signal).catch(unless('finished', 'missing'))
    const after = await looks.job(ref, signal)
    return after === undefined || isFinal(observationOf(after)) ? 'gone' : 'going'
  }

  return {
    supports,
    pollInterval: 2000,

    async check(spec) {
      requireProgram([...spec.entrypoint, ...spec.args])
      if (options.seesStorebase) await requireDirectories(options.storebase, spec.mounts)
    },

    async create(job, _prepared, call) {
      if (options.seesStorebase) await requireDirectories(options.storebase, job.spec.mounts)
      const { id, notes } = await submit(job, call)
      const made = await slurm.job(id, call.signal)
      if (made?.name !== jobName(job.engineName, deployment)) throw new Error(`SLURM took the job as ${id}, and does not know it any more`)
      const beyond = notes.filter(({ code }) => code === NOTES.beyondPartition)
      if (beyond.length === 0) return refText(made)
      // SLURM keeps what is beyond its partition's limits, and never runs it.
      await slurm.cancel(id, call.signal).catch(unless('finished'))
      throw rejection(job, [NOTES.beyondPartition], beyond.map(({ text }) => text).join('; '))
    },

    async release(ref, _attempt, { signal, log }) {
      const ours = parseRef(ref)
      const isHeld = async (): Promise<boolean> => {
        const job = ours && (await looks.job(ours, signal))
        return job !== undefined && observationOf(job).kind === 'inert'
      }
      if (ours === undefined || !(await isHeld())) return
      try {
        await slurm.release(ours.id, signal)
      } catch (error) {
        // Another release may have been first; and some errors are remarks on a hold that is off.
        if (!(error instanceof SlurmRefusal) || (await isHeld())) throw error
        log('slurm.release', { ref, error: error.message })
      }
    },

    async find(engineName, call) {
      const seen: Found[] = []
      for await (const one of found(call, engineName)) seen.push(one)
      return seen
    },

    observe: (refs, { signal }) => looks.many(refs.map(parseRef), signal),

    async logs(ref, bounds, { signal }) {
      const ours = parseRef(ref)
      if (ours === undefined || !looks.isOurs(ours)) throw new Error('the job is not this deployment\'s')
      const job = await looks.job(ours, signal)
      return directory === undefined ? commentLog(job, bounds) : fileLog(directory, ours, job, bounds)
    },

    async stop(ref, call) {
      const ours = parseRef(ref)
      return ours === undefined ? 'gone' : stopped(ours, call)
    },

    async remove(ref, call) {
      const ours = parseRef(ref)
      if (ours === undefined) return 'gone'
      if ((await stopped(ours, call)) === 'going') return 'going'
      if (looks.isOurs(ours)) await directory?.remove(ours)
      return 'gone'
    },

    list: (call) => found(call),

    async health({ signal }) {
      const began = Date.now()
      const { release, api } = await slurm.ping(signal)
      const latencyMs = Date.now() - began
      await directory?.tryOut()
      return { version: `SLURM ${release}, ${api}`, latencyMs }
    },
  }

  async function submit(job: EngineJob, { signal }: Call) {
    const submission = submissionOf(job, options)
    try {
      return await slurm.submit(submission, signal)
    } catch (error) {
      const isRefused = error instanceof SlurmRefusal && (error.trouble === 'refused' || error.trouble === 'denied')
      throw isRefused ? rejection(job, error.codes, error.message, error) : error
    }
  }
}

const isStopping = (seen: Observation): boolean => seen.kind === 'state' && seen.phase === 'stopping'

/** Lets these refusals pass: what was asked for is so already. */
function unless(...troubles: SlurmRefusal['trouble'][]) {
  return (error: unknown): void => {
    if (!(error instanceof SlurmRefusal && troubles.includes(error.trouble))) throw error
  }
}

/** A job without a file has not begun, or its node's last write is still on its way here. */
async function fileLog(directory: SharedDirectory, ref: SlurmRef, job: SlurmJob | undefined, bounds: LogBounds): Promise<LogTail> {
  const log = await directory.log(ref, bounds)
  if (log !== undefined) return log
  const seen: Observation = job === undefined ? { kind: 'absent' } : observationOf(job)
  const missing = seen.kind === 'absent' || (seen.kind === 'state' && seen.phase === 'ended' && seen.reason !== 'StartFailed')
  if (missing) throw new Error('the log is not there')
  return { bytes: new Uint8Array(), truncated: false }
}

function commentLog(job: SlurmJob | undefined, bounds: LogBounds): LogTail {
  if (job === undefined) throw new Error('the log went with the job')
  return tailOf(logInComment(job.comment), bounds)
}
