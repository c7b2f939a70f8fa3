import type { Workflow } from '../../engines/cromwell-api.ts'
import { errorText } from '../../errors.ts'
import type { EngineRef, Found, Observation } from '../contract.ts'
import { Absence } from './absence.ts'
import { isOfEnv, LOG_KEYS, logOutput } from './log.ts'
import { needsMetadata, notStartedReason, OBSERVED_KEYS, observationOf } from './observe.ts'
import type { CromwellOptions } from './options.ts'
import { parseRef, type Named } from './ref.ts'
import type { Listed, Sighting, Workflows } from './workflows.ts'

export const NOT_SHOWN = 'Cromwell does not show the workflow yet'

/** Workflows that are read at the same time. */
const AT_ONCE = 8
/** Ends that are remembered, so that a list of many ended jobs does not read each of them again. */
const REMEMBERED = 20_000

/** Looks at jobs: one question for many, and one more for each whose status is not the whole truth. */
export class Looks {
  readonly #absence: Absence
  readonly #logBytes: number
  readonly #ends = new Map<string, Observation>()

  constructor({ summaryGrace, logBytes }: Pick<CromwellOptions, 'summaryGrace' | 'logBytes'>) {
    this.#absence = new Absence(summaryGrace)
    this.#logBytes = logBytes
  }

  /** One observation for each ref, in their order. Throws only if nothing could be asked at all. */
  async many(refs: readonly EngineRef[], workflows: Workflows, signal: AbortSignal): Promise<Observation[]> {
    const ids = refs.flatMap((ref) => parseRef(ref)?.id ?? [])
    const rows = ids.length > 1 ? await workflows.rows([...new Set(ids)], signal) : undefined
    return bounded(refs, (ref) => this.#look(ref, rows?.get(parseRef(ref)?.id ?? ''), workflows, signal))
  }

  async found(listed: readonly Listed[], workflows: Workflows, signal: AbortSignal): Promise<Found[]> {
    return bounded(listed, async ({ ref, engineName, row, labels }) => {
      const observation = await this.#look(ref, row, workflows, signal)
      return { engineName, ref, observation, ...(labels === undefined ? {} : { labels }) }
    })
  }

  /** Is a workflow that was just now not shown surely not there? */
  async isAbsent({ id }: Named, workflows: Workflows, signal: AbortSignal): Promise<boolean> {
    return this.#absence.proven(id, await workflows.summary(signal))
  }

  /** One look, with a failure told in its place. */
  async #look(ref: EngineRef, row: Workflow | undefined, workflows: Workflows, signal: AbortSignal): Promise<Observation> {
    const named = parseRef(ref)
    if (named === undefined) return { kind: 'absent' }
    try {
      const listed = row === undefined ? undefined : workflows.sort(named, row)
      const isWhole = row !== undefined && !needsMetadata(row)
      if (listed !== undefined && (isWhole || !('workflow' in listed))) return await this.#told(named, listed, workflows, signal)
      const known = listed === undefined ? undefined : this.#ends.get(named.id)
      return known ?? (await this.#told(named, await workflows.look(named, OBSERVED_KEYS, signal), workflows, signal))
    } catch (error) {
      return { kind: 'unknown', error: errorText(error) }
    }
  }

  async #told(named: Named, seen: Sighting, workflows: Workflows, signal: AbortSignal): Promise<Observation> {
    if (seen.kind === 'gone') return { kind: 'absent' }
    if (seen.kind === 'missing') {
      return (await this.isAbsent(named, workflows, signal)) ? { kind: 'absent' } : { kind: 'unknown', error: NOT_SHOWN }
    }
    this.#absence.seen(named.id)
    const told = observationOf({ workflow: seen.workflow, pman: seen.kind === 'pman', now: Date.now() })
    const reason = notStartedReason(told)
    const whole = reason !== undefined && (await this.#wasNotStarted(named, workflows, signal)) ? ({ ...told, reason } as Observation) : told
    if (whole.kind === 'state' && whole.phase === 'ended') this.#remember(named.id, whole)
    return whole
  }

  /** 126 and 127 may be the job's own word, or that of the `env` that was to start it: its log tells. */
  async #wasNotStarted(named: Named, workflows: Workflows, signal: AbortSignal): Promise<boolean> {
    const seen = await workflows.look(named, LOG_KEYS, signal)
    const log = 'workflow' in seen ? logOutput(seen.workflow, this.#logBytes, { tailLines: 2, maxBytes: 4096 }) : undefined
    return log !== undefined && isOfEnv(log)
  }

  #remember(id: string, end: Observation): void {
    this.#ends.set(id, end)
    for (const [oldest] of this.#ends) if (this.#ends.size > REMEMBERED) this.#ends.delete(oldest)
  }
}

/** As `Promise.all`, a few at a time. */
async function bounded<T, U>(items: readonly T[], act: (item: T) => Promise<U>): Promise<U[]> {
  const done: U[] = []
  for (let first = 0; first < items.length; first += AT_ONCE) done.push(...(await Promise.all(items.slice(first, first + AT_ONCE).map(act))))
  return done
}
