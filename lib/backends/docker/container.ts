/** A job's container: what the driver asks of one and tells it. Each changing call is sent once. */
import * as z from 'zod'
import { unlessAbsent } from '../../engines/docker-api.ts'
import type { DockerApi } from '../../engines/docker-api.ts'
import type { EngineRef } from '../contract.ts'
import type { Flavour } from './flavour.ts'
import { flavourOf } from './flavours.ts'
import { isOwn, labelFilter, markOf } from './labels.ts'
import type { Mark, Owner } from './labels.ts'
import type { Mounted } from './redact.ts'

/** The part of ContainerInspect (Engine API 1.41) that the driver reads. */
const inspectSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  State: z.object({
    Status: z.string(),
    ExitCode: z.int().default(0),
    OOMKilled: z.boolean().default(false),
    Error: z.string().default(''),
    StartedAt: z.string().default(''),
    FinishedAt: z.string().default(''),
  }),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
  HostConfig: z.object({ Memory: z.number().default(0) }).default({ Memory: 0 }),
  Mounts: z.array(z.object({ Source: z.string().default(''), Destination: z.string() })).nullish(),
})

export type ContainerState = z.infer<typeof inspectSchema>['State']

/** A container that is known to be this deployment's and this compute's. */
export interface Container extends Mark {
  ref: EngineRef
  /** Without the slash that Docker puts before it. */
  name: string
  state: ContainerState
  /** What is mounted in it, as far as the engine tells. */
  mounted: readonly Mounted[]
  /** It has a memory limit, and its engine does not say when that was its end. */
  hidesOutOfMemory: boolean
}

/** What a list tells of one. */
export type Listed = Mark & Pick<Container, 'ref'>

const ID = /^[0-9a-f]{64}$/

/** What names a container: its whole id. A name or the beginning of an id would be resolved by the engine, to anybody's. */
export const isRef = (ref: EngineRef): boolean => ID.test(ref)

const at = (id: string, rest = ''): string => `/containers/${encodeURIComponent(id)}${rest}`

export class Containers {
  readonly #api: DockerApi
  readonly #owner: Owner

  constructor(api: DockerApi, owner: Owner) {
    this.#api = api
    this.#owner = owner
  }

  /** The container of a ref, as far as it is ours; undefined if the engine has none. Throws if that could not be told. */
  async get(ref: EngineRef, signal: AbortSignal): Promise<Container | undefined> {
    if (!isRef(ref)) return undefined
    const container = await this.named(ref, signal)
    return container?.ref === ref ? container : undefined
  }

  /** The same by its name. */
  async named(name: string, signal: AbortSignal): Promise<Container | undefined> {
    const answer = await unlessAbsent(this.#api.call({ method: 'GET', path: at(name, '/json'), signal }))
    if (answer === undefined) return undefined
    const { Id, Name, State, Config, HostConfig, Mounts } = inspectSchema.parse(answer.json)
    const mark = markOf(Config.Labels)
    if (mark === undefined || !isOwn(mark, this.#owner)) return undefined
    const version = await this.#api.version(signal)
    const hidesOutOfMemory = HostConfig.Memory > 0 && !flavourOf(version).tellsOutOfMemory(version)
    const mounted = (Mounts ?? []).map(({ Source, Destination }) => ({ source: Source, target: Destination }))
    return { ...mark, ref: Id, name: Name.replace(/^\//, ''), state: State, mounted, hidesOutOfMemory }
  }

  /** Whose and which containers there are of ours, or of ours with this engine name. */
  async listed(signal: AbortSignal, engineName?: string): Promise<Listed[]> {
    const query = { all: true, filters: labelFilter(this.#owner, engineName) }
    const { json } = await this.#api.call({ method: 'GET', path: '/containers/json', query, signal })
    return listSchema.parse(json).flatMap(({ Id, Labels }) => {
      const mark = markOf(Labels)
      const isWanted = mark !== undefined && isOwn(mark, this.#owner) && (engineName === undefined || mark.engineName === engineName)
      return isWanted ? [{ ...mark, ref: Id }] : []
    })
  }

  /** Throws DockerRefusal. */
  async create(creation: ReturnType<Flavour['creation']>, signal: AbortSignal): Promise<EngineRef> {
    const { json } = await this.#api.call({ method: 'POST', ...creation, signal })
    return createdSchema.parse(json).Id
  }

  /** false: there is no such container. Throws DockerRefusal if the name is taken. */
  async rename(ref: EngineRef, name: string, signal: AbortSignal): Promise<boolean> {
    const question = { method: 'POST', path: at(ref, '/rename'), query: { name }, signal } as const
    return (await unlessAbsent(this.#api.call(question))) !== undefined
  }

  /** By the name that the attempt has given it. false: there is none of that name. Throws DockerRefusal if it could not be started. */
  async start(name: string, signal: AbortSignal): Promise<boolean> {
    return (await unlessAbsent(this.#api.call({ method: 'POST', path: at(name, '/start'), signal }))) !== undefined
  }

  /** SIGTERM and, after `grace` seconds, SIGKILL; answers when it has ended. */
  async stop(ref: EngineRef, grace: number, signal: AbortSignal): Promise<void> {
    await unlessAbsent(this.#api.call({ method: 'POST', path: at(ref, '/stop'), query: { t: grace }, signal }))
  }

  /** Deletes it with the volumes that only it has, if it does not run. Throws DockerRefusal if it does, or is being deleted. */
  async remove(ref: EngineRef, signal: AbortSignal): Promise<void> {
    await unlessAbsent(this.#api.call({ method: 'DELETE', path: at(ref), query: { v: true }, signal }))
  }
}

const createdSchema = z.object({ Id: z.string().regex(ID) })
const listSchema = z.array(z.object({ Id: z.string().regex(ID), Labels: z.record(z.string(), z.string()).nullish() }))
