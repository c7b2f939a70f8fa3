/** Which volume, or directory, has the jobs' data where the storage type is docker_local_volume. */
import * as z from 'zod'
import { DockerRefusal } from '../../engines/docker-api.ts'
import type { DockerApi } from '../../engines/docker-api.ts'
import { EngineAnswer } from '../../engines/transport.ts'
import { PmanError } from '../../errors.ts'
import type { StorageSettings } from '../contract.ts'

/** A directory of the engine's host, or a volume; one whose directory may be mounted in parts, or why not. */
export type Base = { path: string } | { volume: { name: string; directory?: string | undefined; why?: string | undefined } }

/** Where pfcon has the storebase (its image's own default). */
const PFCON_STOREBASE = '/var/local/storeBase'

/** How long an answer is believed, in ms. A volume that is made anew may lie elsewhere. */
const MAX_AGE = 60_000

interface Kept {
  at: number
  base: Base
}

const kept = new WeakMap<DockerApi, Map<string, Kept>>()

/**
 * The base of all jobs' data, by the volume's name or by pfcon's container; known for a minute, failures are not. Throws PmanError `config`
 * with what was looked for, or what the engine could not be asked for.
 */
export async function findBase(api: DockerApi, storage: StorageSettings, signal: AbortSignal, clock = Date.now): Promise<Base> {
  const key = JSON.stringify([storage.volume, storage.pfconSelector])
  const known = kept.get(api) ?? new Map<string, Kept>()
  kept.set(api, known)
  const young = known.get(key)
  if (young !== undefined && clock() - young.at < MAX_AGE) return young.base
  const base = await askedBase(api, storage, signal)
  if ('path' in base || base.volume.why === undefined) known.set(key, { at: clock(), base })
  return base
}

async function askedBase(api: DockerApi, { volume, pfconSelector }: StorageSettings, signal: AbortSignal): Promise<Base> {
  if (volume !== undefined) return volumeBase(api, volume, signal)
  const place = await pfconPlace(api, pfconSelector ?? '', signal)
  return 'path' in place ? place : volumeBase(api, place.volume, signal)
}

/** Docker Engine API 1.41, ContainerList: ContainerSummary, Mounts. */
const mountSchema = z.object({
  Type: z.string().optional(),
  Name: z.string().optional(),
  Source: z.string().optional(),
  Destination: z.string(),
})
type ListedMount = z.infer<typeof mountSchema>
const listSchema = z.array(z.object({ Mounts: z.array(mountSchema).nullish() }))

/** What pfcon's container has as its storebase. Containers that share one are as good as one. */
async function pfconPlace(api: DockerApi, label: string, signal: AbortSignal): Promise<{ path: string } | { volume: string }> {
  const question = { method: 'GET', path: '/containers/json', query: { filters: JSON.stringify({ label: [label] }) }, signal } as const
  const containers = understood(listSchema, (await api.call(question)).json, 'GET /containers/json')
  const looked = `the running containers with the label '${label}' (PFCON_SELECTOR)`
  if (containers.length === 0) throw new PmanError('config', `storage: ${looked} would tell the volume, and there are none`)
  const places = containers.flatMap(({ Mounts }) => (Mounts ?? []).filter(({ Destination }) => Destination === PFCON_STOREBASE).map(placeOf))
  const different = [...new Map(places.map((place) => [JSON.stringify(place), place])).values()]
  const [only] = different
  if (only === undefined) throw new PmanError('config', `storage: none of ${looked} has a mount at ${PFCON_STOREBASE}`)
  if (different.length === 1) return only
  const names = different.map((place) => ('path' in place ? place.path : place.volume)).sort()
  throw new PmanError('config', `storage: ${looked} have different mounts at ${PFCON_STOREBASE}: ${names.join(', ')}; name one as VOLUME_NAME`)
}

function placeOf({ Type, Name, Source }: ListedMount): { path: string } | { volume: string } {
  return Type === 'volume' && Name !== undefined && Name !== '' ? { volume: Name } : { path: Source ?? '' }
}

/** Docker Engine API 1.41, VolumeInspect. */
const volumeSchema = z.object({ Driver: z.string(), Mountpoint: z.string(), Options: z.record(z.string(), z.string()).nullish() })

async function volumeBase(api: DockerApi, name: string, signal: AbortSignal): Promise<Base> {
  const path = `/volumes/${encodeURIComponent(name)}`
  const { json } = await api.call({ method: 'GET', path, signal }).catch((error: unknown) => {
    // The engine would make it, empty, for the first job.
    if (error instanceof DockerRefusal && error.status === 404) throw new PmanError('config', `storage: the engine has no volume '${name}'`)
    throw error
  })
  const { Driver, Mountpoint, Options } = understood(volumeSchema, json, `GET ${path}`)
  if (Driver !== 'local') return { volume: { name, why: `is of the driver '${Driver}'` } }
  if (Object.keys(Options ?? {}).length > 0) return { volume: { name, why: 'has options of its own, so that it is only mounted while it is in use' } }
  return { volume: { name, directory: Mountpoint } }
}

function understood<T>(schema: z.ZodType<T>, json: unknown, what: string): T {
  const { data, error } = schema.safeParse(json)
  if (error !== undefined) throw new EngineAnswer(`${what}: ${error.message}`, 200, undefined, error)
  return data
}
