/** A job's service and its tasks: what the driver asks of a Swarm and tells it. Each changing call is sent once. */
import * as z from 'zod'
import { DockerRefusal, unlessAbsent } from '../../engines/docker-api.ts'
import type { DockerApi } from '../../engines/docker-api.ts'
import { EngineAnswer } from '../../engines/transport.ts'
import type { Question } from '../../engines/transport.ts'
import type { EngineRef } from '../contract.ts'
import { isOwn, labelFilter, markOf } from '../docker/labels.ts'
import type { Mark, Owner } from '../docker/labels.ts'
import { nodeSchema, serviceSchema, taskSchema } from './shapes.ts'
import type { Node, Service, Task } from './shapes.ts'
import { changed, LABEL } from './spec.ts'

/** A service that is known to be this deployment's and this compute's. */
export interface OwnService extends Mark {
  ref: EngineRef
  id: string
  version: number
  spec: Service['Spec']
  workers: number
  /** As the labels tell, which this driver alone writes; a rollback by somebody else does not make it inert again. */
  life: 'inert' | 'released' | 'withdrawn'
}

/** The login for an image's registry, as the header has it; undefined: none. */
export type Login = string | undefined

export interface Created {
  ref: EngineRef
  warning: string | undefined
}

/** The id of a service, and its name: of a service that is removed, the tasks are found by the name alone. */
const REF = /^([a-z0-9]{25})\.([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/

const refOf = (id: string, engineName: string): EngineRef => `${id}.${engineName}`

/** What a ref names; undefined for one that this driver never gave. */
export function partsOf(ref: EngineRef): { id: string; engineName: string } | undefined {
  const [, id, engineName] = REF.exec(ref) ?? []
  return id === undefined || engineName === undefined ? undefined : { id, engineName }
}

/** Refs in one question: its address holds their names. */
const PER_QUESTION = 50

export class Services {
  readonly #api: DockerApi
  readonly #owner: Owner

  constructor(api: DockerApi, owner: Owner) {
    this.#api = api
    this.#owner = owner
  }

  /** The service of a ref, as far as it is ours; undefined if the swarm has none. Throws if that could not be told. */
  async get(ref: EngineRef, signal: AbortSignal): Promise<OwnService | undefined> {
    const parts = partsOf(ref)
    if (parts === undefined) return undefined
    const answer = await unlessAbsent(this.#api.call({ method: 'GET', path: `/services/${parts.id}`, signal }))
    return answer === undefined ? undefined : this.#own(understood(serviceSchema, answer.json, 'GET /services/{id}'), ref)
  }

  /** As `get`, for many. */
  async many(refs: readonly EngineRef[], signal: AbortSignal): Promise<Map<EngineRef, OwnService>> {
    const found: OwnService[] = []
    for (const some of slices(refs)) {
      const ids = some.flatMap((ref) => partsOf(ref)?.id ?? [])
      if (ids.length > 0) found.push(...(await this.#list({ id: ids }, signal)))
    }
    return new Map(found.map((service) => [service.ref, service]))
  }

  /** All that are ours, or the one with this engine name. The Engine API has no pages of services. */
  async list(signal: AbortSignal, engineName?: string): Promise<OwnService[]> {
    const listed = await this.#list(JSON.parse(labelFilter(this.#owner, engineName)) as object, signal)
    return engineName === undefined ? listed : listed.filter((service) => service.engineName === engineName)
  }

  /**
   * The tasks of each ref, of removed services too. A filter by service is 404 once the service is removed; one by name is not, since each
   * task keeps the name. It matches beginnings, so each task's service is compared.
   */
  async tasks(refs: readonly EngineRef[], signal: AbortSignal): Promise<Map<EngineRef, Task[]>> {
    const found: Task[] = []
    for (const some of slices(refs)) {
      const names = some.flatMap((ref) => partsOf(ref)?.engineName ?? [])
      if (names.length > 0) found.push(...(await this.#tasks({ name: names }, signal)))
    }
    return new Map(refs.map((ref) => [ref, found.filter(({ ServiceID }) => ServiceID !== undefined && ServiceID === partsOf(ref)?.id)]))
  }

  /** The tasks of everything that is ours. */
  async allTasks(signal: AbortSignal): Promise<Task[]> {
    return this.#tasks(JSON.parse(labelFilter(this.#owner)) as object, signal)
  }

  async nodes(signal: AbortSignal): Promise<Node[]> {
    const { json } = await this.#api.call({ method: 'GET', path: '/nodes', signal })
    return understood(z.array(nodeSchema), json, 'GET /nodes')
  }

  /** Throws DockerRefusal if the name is taken, or the spec is not accepted. */
  async create(engineName: string, spec: object, login: Login, signal: AbortSignal): Promise<Created> {
    const { json } = await this.#api.call({ method: 'POST', path: '/services/create', body: spec, ...withLogin(login), signal })
    const { ID, Warning } = understood(createdSchema, json, 'POST /services/create')
    return { ref: refOf(ID, engineName), warning: Warning ?? undefined }
  }

  /** The one change that this very version of the service may have. `outdated`: it has had another, or is gone. Throws DockerRefusal. */
  async change(
    { id, version, spec }: OwnService,
    { label, value, replicas }: { label: string; value: string; replicas: number },
    login: Login,
    signal: AbortSignal,
  ): Promise<'done' | 'outdated'> {
    const body = changed(spec, label, value, replicas)
    try {
      await this.#api.call({ method: 'POST', path: `/services/${id}/update`, query: { version }, body, ...withLogin(login), signal })
      return 'done'
    } catch (error) {
      // swarmkit, manager/state/store: ErrSequenceConflict; dockerd makes 500 of it.
      if (error instanceof DockerRefusal && (error.status === 404 || /out of sequence/i.test(error.message))) return 'outdated'
      throw error
    }
  }

  async remove({ id }: OwnService, signal: AbortSignal): Promise<void> {
    await unlessAbsent(this.#api.call({ method: 'DELETE', path: `/services/${id}`, signal }))
  }

  async #list(filters: object, signal: AbortSignal): Promise<OwnService[]> {
    const { json } = await this.#api.call({ method: 'GET', path: '/services', query: { filters: JSON.stringify(filters) }, signal })
    return understood(z.array(serviceSchema), json, 'GET /services').flatMap((service) => this.#own(service) ?? [])
  }

  async #tasks(filters: object, signal: AbortSignal): Promise<Task[]> {
    const { json } = await this.#api.call({ method: 'GET', path: '/tasks', query: { filters: JSON.stringify(filters) }, signal })
    return understood(z.array(taskSchema), json, 'GET /tasks').filter(({ Spec }) => {
      const mark = markOf(Spec?.ContainerSpec?.Labels)
      return mark !== undefined && isOwn(mark, this.#owner)
    })
  }

  #own({ ID, Version, Spec, PreviousSpec }: Service, ref?: EngineRef): OwnService | undefined {
    const labels = Spec.Labels ?? {}
    const mark = markOf(labels)
    if (mark === undefined || !isOwn(mark, this.#owner) || mark.engineName !== Spec.Name) return undefined
    const own = refOf(ID, mark.engineName)
    if (ref !== undefined && ref !== own) return undefined
    const replicas = Spec.Mode?.Replicated?.Replicas ?? 0
    const ever = { ...PreviousSpec?.Labels, ...labels }
    const life = LABEL.withdrawn in ever ? 'withdrawn' : LABEL.released in ever || replicas > 0 ? 'released' : 'inert'
    return { ...mark, ref: own, id: ID, version: Version.Index, spec: Spec, workers: Math.max(1, Number(labels[LABEL.workers]) || 1), life }
  }
}

const createdSchema = z.object({ ID: z.string().regex(/^[a-z0-9]{25}$/), Warning: z.string().nullish() })

function understood<T>(schema: z.ZodType<T>, json: unknown, what: string): T {
  const { data, error } = schema.safeParse(json)
  if (error !== undefined) throw new EngineAnswer(`${what}: ${z.prettifyError(error)}`, 200, undefined, error)
  return data
}

const withLogin = (login: Login): Pick<Question, 'headers'> => (login === undefined ? {} : { headers: { 'x-registry-auth': login } })

function slices<T>(all: readonly T[]): T[][] {
  const count = Math.ceil(all.length / PER_QUESTION)
  return Array.from({ length: count }, (_, index) => all.slice(index * PER_QUESTION, (index + 1) * PER_QUESTION))
}
