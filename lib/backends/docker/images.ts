/** Images at an engine of the Docker kind: pulled for all that wait, with the logins of the compute's secret. */
import * as z from 'zod'
import { DockerRefusal } from '../../engines/docker-api.ts'
import type { DockerApi } from '../../engines/docker-api.ts'
import { jsonLines } from '../../engines/docker-lines.ts'
import { EngineAnswer } from '../../engines/transport.ts'
import { EngineRejected, NeedsPreparation } from '../contract.ts'
import type { CallLog } from '../contract.ts'
import { pullFailure } from './images-failure.ts'
import { Flights } from './images-flights.ts'
import { progressOf } from './images-progress.ts'
import { DOCKER_HUB, fullName, parseReference } from './images-reference.ts'
import type { ImagePuller, PullPolicy, Registries, Session, Sessions } from './types.ts'

/** What `prepare` has found: the image as the engine knows it, and as its registry does, if it came from there. */
const preparedSchema = z.strictObject({ id: z.string(), digest: z.string().optional() })
export type PreparedImage = z.infer<typeof preparedSchema>

/** What a record keeps of `prepare`. Throws if it is not that. */
export const preparedImage = (prepared: string): PreparedImage => preparedSchema.parse(JSON.parse(prepared))

/** See `Images`. */
export const imagePuller: ImagePuller = (sessions, policy) => {
  const flights = new Flights<PreparedImage>()
  return {
    prepare: async (image, call) =>
      JSON.stringify(await flights.join(image, call, (signal, log) => prepared(sessions, policy, image, signal, log))),
    resolve: (image, prepared) => {
      if (prepared !== undefined) return preparedImage(prepared).id
      if (policy === 'always') throw new NeedsPreparation(`image ${image}: is pulled for each job`)
      return fullName(image)
    },
  }
}

async function prepared(sessions: Sessions, policy: PullPolicy, image: string, signal: AbortSignal, log: CallLog): Promise<PreparedImage> {
  const session = await sessions()
  const there = policy === 'always' ? undefined : await inspected(session.api, image, signal)
  if (there !== undefined) return there
  if (policy === 'never') {
    const why = 'is not at the engine, and this compute pulls none'
    throw new EngineRejected(`image ${image}: ${why}`, { reason: 'ImageNotFound', fields: { image: why } })
  }
  await pullAsOfNow(session, sessions, image, signal, log)
  const pulled = await inspected(session.api, image, signal)
  if (pulled === undefined) throw new Error(`image ${image}: the engine has pulled it and has it no more`)
  log('image pulled', { image, ...pulled })
  return pulled
}

/** Docker Engine API 1.41, ImageInspect. */
const imageSchema = z.object({ Id: z.string(), RepoDigests: z.array(z.string()).nullish() })

/** The image as the engine has it; undefined: it has none of that name. */
async function inspected(api: DockerApi, image: string, signal: AbortSignal): Promise<PreparedImage | undefined> {
  try {
    const path = `/images/${fullName(image)}/json`
    const { data, error } = imageSchema.safeParse((await api.call({ method: 'GET', path, signal })).json)
    if (error !== undefined) throw new EngineAnswer(`GET ${path}: ${error.message}`, 200, undefined, error)
    return { id: data.Id, digest: digestOf(image, data.RepoDigests ?? []) }
  } catch (error) {
    if (error instanceof DockerRefusal && error.status === 404) return undefined
    throw error
  }
}

/** The digest under which the reference's own repository has the image. */
function digestOf(image: string, digests: readonly string[]): string | undefined {
  const asked = parseReference(image)
  if (asked.isDigest) return fullName(image)
  return digests.map(fullName).find((digest) => digest.startsWith(`${asked.repository}@`))
}

/** A login that is refused may have been changed since the secret was read: then it is tried once more with the one that there is now. */
async function pullAsOfNow(session: Session, sessions: Sessions, image: string, signal: AbortSignal, log: CallLog): Promise<void> {
  try {
    await pull(session, image, signal, log)
  } catch (error) {
    if (!(error instanceof EngineRejected && error.reason === 'ImageRefused')) throw error
    const fresh = await sessions({ fresh: true })
    if (loginFor(image, fresh.registries) === loginFor(image, session.registries)) throw error
    await pull(fresh, image, signal, log)
  }
}

/** Docker Engine API 1.41, ImageCreate: its errors come as a line of a stream that began well, or as the answer. */
const lineSchema = z.object({ error: z.string().optional() })

async function pull({ api, registries }: Session, image: string, signal: AbortSignal, log: CallLog): Promise<void> {
  const { repository, version } = parseReference(image)
  const login = loginFor(image, registries)
  const failed = (message: string): Error => pullFailure(image, message, login !== undefined)
  const headers = login === undefined ? {} : { 'x-registry-auth': login }
  const told = progressOf(image, log)
  try {
    const query = { fromImage: repository, tag: version }
    const body = await api.stream({ method: 'POST', path: '/images/create', query, headers, signal })
    for await (const line of jsonLines(body)) {
      const error = lineSchema.safeParse(line).data?.error
      if (error !== undefined) throw failed(error)
      told(line)
    }
  } catch (error) {
    if (error instanceof DockerRefusal) throw failed(error.message)
    throw error
  }
}

/** The header of the login for an image's registry, found by its exact name; undefined: none (Docker Engine API 1.41, "Authentication"). */
export function loginFor(image: string, registries: Registries): string | undefined {
  const { host } = parseReference(image)
  const names = host === 'docker.io' ? [...DOCKER_HUB, 'https://index.docker.io/v1/'] : [host]
  const login = names.flatMap((name) => registries.get(name) ?? [])[0]
  if (login === undefined) return undefined
  const serveraddress = host === 'docker.io' ? 'https://index.docker.io/v1/' : host
  const { username, password } = login
  // Of RFC 4648 section 5 with its padding, which Node's own base64url leaves out and engines want.
  return Buffer.from(JSON.stringify({ username, password, serveraddress })).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
