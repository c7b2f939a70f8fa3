import type { CromwellApi, QueryPart, Workflow, WorkflowRow } from '../../engines/cromwell-api.ts'
import type { EngineRef, OwnerLabels } from '../contract.ts'
import type { SummaryNow } from './absence.ts'
import { deploymentLabel, LABEL, ownerOf, plainLabels, YES } from './labels.ts'
import { isOwnId, refOf, type Named } from './ref.ts'

/**
 * Whose a workflow is, and what it says. missing: Cromwell does not show it, or not whose it is. gone: removed, archived, or another's.
 * pman: one of pman's own, which is read and never changed.
 */
export type Sighting =
  | { kind: 'missing' }
  | { kind: 'gone' }
  | { kind: 'own' | 'pman'; workflow: Workflow }

/** A workflow in a list, with the ref that its create gave. */
export interface Listed {
  ref: EngineRef
  engineName: string
  pman: boolean
  row: WorkflowRow
  labels?: OwnerLabels | undefined
}

/** Rows of one page of a query, and ids in one question. */
export const PAGE = 200

/** Reads workflows of one deployment, for one call of the driver. */
export class Workflows {
  readonly #api: CromwellApi
  readonly #deployment: string
  #summary: Promise<SummaryNow> | undefined

  constructor(api: CromwellApi, deployment: string) {
    this.#api = api
    this.#deployment = deployment
  }

  /** Reads one workflow's metadata, as far as the keys go. */
  async look(named: Named, keys: readonly string[], signal: AbortSignal): Promise<Sighting> {
    return this.sort(named, await this.#api.metadata(named.id, keys, signal))
  }

  /** Whose is what was found under this ref? */
  sort(named: Named, workflow: Workflow | undefined): Sighting {
    if (workflow === undefined) return { kind: 'missing' }
    // what is archived has no status any more, and nothing of the outcome
    if (workflow.status === undefined) return { kind: workflow.metadataArchiveStatus === undefined ? 'missing' : 'gone' }
    const labels = plainLabels(workflow.labels)
    if (labels[LABEL.deleted] !== undefined) return { kind: 'gone' }
    const owner = ownerOf(labels)
    if (owner.kind === 'pman') return named.engineName === undefined ? { kind: 'pman', workflow } : { kind: 'gone' }
    // labels are events of their own, and may come later
    if (owner.kind === 'unlabelled') return isOwnId(named, this.#deployment) ? { kind: 'own', workflow } : { kind: 'missing' }
    const own = owner.owner.deployment === this.#deployment && owner.engineName === named.engineName
    return own ? { kind: 'own', workflow } : { kind: 'gone' }
  }

  /** The rows of these workflows, by their ids, as far as Cromwell shows them. */
  async rows(ids: readonly string[], signal: AbortSignal): Promise<Map<string, WorkflowRow>> {
    const found = new Map<string, WorkflowRow>()
    for (let first = 0; first < ids.length; first += PAGE) {
      const { rows } = await this.#api.query([...ids.slice(first, first + PAGE).map((id) => ({ id })), ...page(1)], signal)
      for (const row of rows) found.set(row.id, row)
    }
    return found
  }

  /** Everything with this engine name; one of pman's own goes by its jid. */
  async named(engineName: string, signal: AbortSignal): Promise<Listed[]> {
    const found: Listed[] = []
    const asked = [LABEL.engineName, LABEL.jid].map((key) => ({ labelor: `${key}:${engineName}` }))
    for await (const rows of this.#pages(asked, signal)) {
      found.push(...rows.flatMap((row) => this.#listed(row) ?? []).filter((listed) => listed.engineName === engineName))
    }
    return found
  }

  /** Everything that this deployment has made and not removed, page by page. */
  async *all(signal: AbortSignal): AsyncGenerator<Listed[]> {
    const asked = [{ label: `${LABEL.deployment}:${deploymentLabel(this.#deployment)}` }, { excludeLabelOr: `${LABEL.deleted}:${YES}` }]
    for await (const rows of this.#pages(asked, signal)) yield rows.flatMap((row) => this.#listed(row) ?? []).filter((listed) => !listed.pman)
  }

  /** How far the summary is; asked once. */
  summary(signal: AbortSignal): Promise<SummaryNow> {
    this.#summary ??= this.#askSummary(signal)
    return this.#summary
  }

  async #askSummary(signal: AbortSignal): Promise<SummaryNow> {
    const { rows, at } = await this.#api.query([{ page: '1' }, { pageSize: '20' }], signal)
    const times = rows.map(({ submission = '' }) => Date.parse(submission)).filter((time) => !Number.isNaN(time))
    return { at, newest: times.length === 0 ? undefined : Math.max(...times) }
  }

  /** A new workflow moves the older ones to later pages: one that comes twice counts once. */
  async *#pages(asked: readonly QueryPart[], signal: AbortSignal): AsyncGenerator<WorkflowRow[]> {
    const seen = new Set<string>()
    for (let number = 1; ; number++) {
      const { rows, total } = await this.#api.query([...asked, ...page(number)], signal)
      yield rows.filter(({ id }) => !seen.has(id))
      for (const { id } of rows) seen.add(id)
      if (rows.length === 0 || number * PAGE >= total) return
    }
  }

  #listed(row: WorkflowRow): Listed | undefined {
    const labels = plainLabels(row.labels)
    if (labels[LABEL.deleted] !== undefined) return undefined
    const seen = ownerOf(labels)
    if (seen.kind === 'pman') return { ref: row.id, engineName: seen.jid, pman: true, row }
    if (seen.kind === 'unlabelled' || seen.owner.deployment !== this.#deployment) return undefined
    const { engineName, owner } = seen
    return { ref: refOf(engineName, row.id), engineName, pman: false, row, labels: owner }
  }
}

const page = (number: number): QueryPart[] => [{ additionalQueryResultFields: 'labels' }, { page: String(number) }, { pageSize: String(PAGE) }]
