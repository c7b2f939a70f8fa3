import type { CromwellApi } from '../../engines/cromwell-api.ts'
import { errorText } from '../../errors.ts'
import { EngineRejected, NotYet } from '../contract.ts'
import type { Backend, EngineJob, Supports } from '../contract.ts'
import { deploymentLabel, LABEL, plainLabels, YES } from './labels.ts'
import { LOG_KEYS, readLog } from './log.ts'
import { Looks, NOT_SHOWN } from './looks.ts'
import { isOver, OBSERVED_KEYS } from './observe.ts'
import type { CromwellOptions } from './options.ts'
import { isOwnId, parseRef, refOf, workflowId, type Named } from './ref.ts'
import { problemsOf } from './runtime.ts'
import { submissionOf, submit } from './submission.ts'
import { Workflows, type Sighting } from './workflows.ts'

/** What the driver is made for: one deployment, on one server. */
export interface Site {
  deployment: string
  options: CromwellOptions
  supports: Supports
  /** The client, with the credentials of the moment. */
  api: () => Promise<CromwellApi>
}

/** The driver on a server that is reached when it is first needed. */
export function cromwellDriver({ deployment, options, supports, api: connect }: Site): Backend {
  const looks = new Looks(options)

  const reader = async (): Promise<Reader> => {
    const api = await connect()
    return { api, workflows: new Workflows(api, deployment) }
  }

  /**
   * Aborts until Cromwell's own store has let the workflow go and its summary says so: the store is at once right, the summary is what
   * everything else is read from. `let go`: the store has, and the summary does not say so yet.
   */
  async function abort(named: Named, seen: Sighting, { api, workflows }: Reader, signal: AbortSignal): Promise<'gone' | 'going' | 'let go'> {
    if (seen.kind === 'own' && isOver(seen.workflow)) return 'gone'
    if (seen.kind === 'missing' && !isOwnId(named, deployment)) return (await looks.isAbsent(named, workflows, signal)) ? 'gone' : 'going'
    const answer = await api.abort(named.id, signal)
    if (answer === 'Aborting') return 'going'
    if (seen.kind === 'own') return answer === undefined ? 'let go' : 'going'
    return answer === undefined && (await looks.isAbsent(named, workflows, signal)) ? 'gone' : 'going'
  }

  return {
    supports,
    pollInterval: 5000,

    async check(spec) {
      refuse(problemsOf(spec, options))
    },

    async create(job: EngineJob, _prepared, call) {
      refuse(problemsOf(job.spec, options))
      const { api } = await reader()
      return refOf(job.engineName, await submit(api, submissionOf(job, options), workflowId(deployment, job.engineName), call))
    },

    async release(ref, _attempt, { signal }) {
      const named = parseRef(ref)
      if (named?.engineName === undefined) return
      const { api, workflows } = await reader()
      if (!isOwnId(named, deployment)) {
        const seen = await workflows.look(named, OBSERVED_KEYS, signal)
        if (seen.kind === 'missing') throw new NotYet(NOT_SHOWN, 'StartDeadline')
        if (seen.kind !== 'own') return
      }
      if ((await api.releaseHold(named.id, signal)) === undefined) throw new NotYet(NOT_SHOWN, 'StartDeadline')
    },

    async find(engineName, { signal }) {
      const { workflows } = await reader()
      return looks.found(await workflows.named(engineName, signal), workflows, signal)
    },

    async inherited(jid, { signal }) {
      const { workflows } = await reader()
      return looks.found((await workflows.named(jid, signal)).filter(({ pman }) => pman), workflows, signal)
    },

    async observe(refs, { signal }) {
      try {
        const { workflows } = await reader()
        return await looks.many(refs, workflows, signal)
      } catch (error) {
        return refs.map(() => ({ kind: 'unknown', error: errorText(error) }))
      }
    },

    async logs(ref, bounds, { signal }) {
      const named = parseRef(ref)
      const { workflows } = await reader()
      const seen: Sighting = named === undefined ? { kind: 'gone' } : await workflows.look(named, LOG_KEYS, signal)
      if (seen.kind === 'missing' || seen.kind === 'gone') throw new Error(seen.kind === 'gone' ? 'the job is not there' : NOT_SHOWN)
      return readLog({ workflow: seen.workflow, pman: seen.kind === 'pman', now: Date.now() }, options, bounds)
    },

    async stop(ref, { signal }) {
      const named = parseRef(ref)
      if (named?.engineName === undefined) return 'gone'
      const it = await reader()
      const seen = await it.workflows.look(named, OBSERVED_KEYS, signal)
      if (seen.kind === 'gone' || seen.kind === 'pman') return 'gone'
      const answer = await abort(named, seen, it, signal)
      if (answer !== 'let go' || seen.kind !== 'own') return answer === 'let go' ? 'going' : answer
      // a crash may have lost the word that it was aborted, and then nobody writes it again
      if (plainLabels(seen.workflow.labels)[LABEL.withdrawn] !== undefined) return 'gone'
      if (WAITING.includes(seen.workflow.status ?? '')) await it.api.label(named.id, { [LABEL.withdrawn]: YES }, signal)
      return 'going'
    },

    async remove(ref, { signal }) {
      const named = parseRef(ref)
      if (named?.engineName === undefined) return 'gone'
      const it = await reader()
      const seen = await it.workflows.look(named, OBSERVED_KEYS, signal)
      if (seen.kind === 'pman') return 'gone'
      // queries are answered by the summary, which comes after the metadata
      if (seen.kind === 'gone') return (await isListed(it.api, named, signal)) ? 'going' : 'gone'
      const answer = await abort(named, seen, it, signal)
      if (answer === 'going' || seen.kind !== 'own') return answer === 'gone' ? 'gone' : 'going'
      return (await it.api.label(named.id, { [LABEL.deleted]: YES }, signal)) === 'archived' ? 'gone' : 'going'
    },

    async *list({ signal }) {
      const { workflows } = await reader()
      for await (const page of workflows.all(signal)) yield* await looks.found(page, workflows, signal)
    },

    async health({ signal }) {
      const began = Date.now()
      const version = await (await connect()).version(signal)
      return { version: `Cromwell ${version}`, latencyMs: Date.now() - began }
    },
  }

  async function isListed(api: CromwellApi, named: Named, signal: AbortSignal): Promise<boolean> {
    const labels = await api.labels(named.id, signal)
    return labels?.[LABEL.deployment] === deploymentLabel(deployment) && labels[LABEL.deleted] === undefined
  }
}

const WAITING = ['On Hold', 'Submitted']

interface Reader {
  api: CromwellApi
  workflows: Workflows
}

/** Throws EngineRejected with every problem, by its field. */
function refuse(problems: readonly (readonly [string, string])[]): void {
  if (problems.length === 0) return
  throw new EngineRejected(problems.map(([field, problem]) => `${field}: ${problem}`).join('; '), { fields: Object.fromEntries(problems) })
}
