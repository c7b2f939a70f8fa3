/** The Docker Engine API, as Docker and Podman serve it: versions, its own refusals told from everybody else's, streams. Knows nothing of jobs. */
import type { Readable } from 'node:stream'
import * as z from 'zod'
import { errorText } from '../errors.ts'
import { EngineAnswer, EngineSilent, jsonOf, retryAfterOf, transport } from './transport.ts'
import type { Answer, Endpoint, Question, StreamedAnswer } from './transport.ts'

/** What the engine says of itself, and the version of its API that is spoken with it. */
export interface EngineVersion {
  /** Such as `1.41`: the newest that both sides know. */
  api: string
  /** The engine's own version, such as `20.10.24`. */
  version: string
  product: 'docker' | 'podman'
}

export interface DockerApi {
  /** Asked once and kept; a failure is not. Throws EngineSilent or EngineAnswer. */
  version(signal: AbortSignal): Promise<EngineVersion>
  /** The same, asked anew: whether the engine answers now, and takes the credentials. */
  ping(signal: AbortSignal): Promise<EngineVersion>
  /**
   * One question under `/v<version>`. `json` is undefined where there is no body. Throws DockerRefusal if the engine itself says no,
   * EngineAnswer or EngineSilent if it is not known whether it has heard of it.
   */
  call(question: Question): Promise<{ status: number; json: unknown }>
  /** The same, with the body as it comes. Whoever does not read it to its end destroys it. */
  stream(question: Question): Promise<Readable>
  close(): void
}

/** The engine's own "no": an error answer of the API with its message, which the engine has written itself. */
export class DockerRefusal extends Error {
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.name = 'DockerRefusal'
    this.status = status
  }
}

/** Runs a call; undefined if the engine itself says that there is no such object. Throws what the call throws otherwise. */
export async function unlessAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (error instanceof DockerRefusal && error.status === 404) return undefined
    throw error
  }
}

/** The newest version of the API that this client has been written for, and the oldest (Docker 19.03). */
const NEWEST = '1.45'
const OLDEST = '1.40'

const versionSchema = z.object({
  Version: z.string(),
  ApiVersion: z.string().regex(/^\d+\.\d+$/),
  MinAPIVersion: z.string().regex(/^\d+\.\d+$/).optional(),
  Components: z.array(z.object({ Name: z.string() })).nullish(),
})

const errorSchema = z.object({ message: z.string() })

export function dockerApi(endpoint: Endpoint): DockerApi {
  const engine = transport(endpoint)
  let known: EngineVersion | undefined

  async function negotiate(signal: AbortSignal): Promise<EngineVersion> {
    const question: Question = { method: 'GET', path: '/version', signal }
    const answer = await engine.ask(question)
    throwUnlessDone(question, answer)
    const { data, error } = versionSchema.safeParse(jsonOf(question, answer))
    if (error !== undefined) throw new EngineAnswer(`GET /version: this is no Docker or Podman: ${error.message}`, answer.status, undefined, error)
    return (known = chosen(data))
  }

  const version = async (signal: AbortSignal): Promise<EngineVersion> => known ?? negotiate(signal)

  async function versioned(question: Question): Promise<Question> {
    return { ...question, path: `/v${(await version(question.signal)).api}${question.path}` }
  }

  /** An engine that was replaced by an older or a newer one is asked for its version again. */
  function throwUnlessDone(question: Question, answer: Answer): void {
    try {
      requireDone(question, answer)
    } catch (error) {
      if (!(error instanceof DockerRefusal && OTHER_VERSION.test(error.message))) throw error
      known = undefined
      throw new EngineAnswer(error.message, error.status, undefined, error)
    }
  }

  return {
    version,
    ping: negotiate,
    async call(question) {
      const asked = await versioned(question)
      const answer = await engine.ask(asked)
      throwUnlessDone(asked, answer)
      return { status: answer.status, json: answer.text === '' ? undefined : jsonOf(asked, answer) }
    },
    async stream(question) {
      const asked = await versioned(question)
      const answer = await engine.stream(asked)
      if (isDone(answer)) return answer.body
      const text = await beginning(asked, answer)
      throwUnlessDone(asked, { ...answer, text })
      throw new EngineAnswer(`${asked.method} ${asked.path}: unexpected answer (${answer.status})`, answer.status)
    },
    close: () => engine.close(),
  }
}

/** As dockerd (api/server/middleware/version.go) and Podman say it. */
const OTHER_VERSION = /^client (API )?version .* is too (new|old)|^(minimum|maximum) supported API version/i

/** Docker and Podman put it on every answer of theirs, a refusal too (dockerd: api/server/middleware/version.go). */
const isEngines = ({ headers }: Pick<Answer, 'headers'>): boolean => headers['api-version'] !== undefined

const isDone = (answer: Pick<Answer, 'status' | 'headers'>): boolean =>
  isEngines(answer) && ((answer.status >= 200 && answer.status < 300) || answer.status === 304)

/** Of these a gateway in between says the same, and the engine itself means "not now". */
const NOT_NOW: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504])

/** Throws DockerRefusal for an error answer of the engine's own, EngineAnswer for one of anybody else's. */
function requireDone({ method, path }: Question, answer: Answer): void {
  if (isDone(answer)) return
  const message = messageOf(answer)
  if (isEngines(answer) && message !== undefined && answer.status >= 400 && !NOT_NOW.has(answer.status)) throw new DockerRefusal(message, answer.status)
  const told = message ?? (isEngines(answer) ? 'unexpected answer' : 'the answer is not the engine\'s own')
  throw new EngineAnswer(`${method} ${path}: ${told} (${answer.status})`, answer.status, retryAfterOf(answer.headers, Date.now()))
}

/** The engine's words in the body of an error (Engine API, definition ErrorResponse). */
function messageOf({ text, headers }: Pick<Answer, 'text' | 'headers'>): string | undefined {
  // A version that is too old is refused in the way that it would have been then.
  if (isEngines({ headers }) && headers['content-type']?.startsWith('text/plain') === true) return text.trim()
  try {
    return errorSchema.safeParse(JSON.parse(text)).data?.message
  } catch {
    return undefined
  }
}

/** Bytes of a refusal that are read. */
const MAX_REFUSAL = 64 * 1024

async function beginning({ method, path }: Question, { body }: StreamedAnswer): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      size += chunk.length
      if (size > MAX_REFUSAL) break
    }
  } catch (error) {
    throw new EngineSilent(`${method} ${path}: the answer broke off: ${errorText(error)}`)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function chosen({ ApiVersion, MinAPIVersion = OLDEST, Version, Components }: z.infer<typeof versionSchema>): EngineVersion {
  const api = older(ApiVersion, NEWEST)
  if (older(api, MinAPIVersion) !== MinAPIVersion || older(api, OLDEST) !== OLDEST) {
    const spoken = `${MinAPIVersion} to ${ApiVersion}`
    throw new EngineAnswer(`the engine speaks versions ${spoken} of the Docker API, this service ${OLDEST} to ${NEWEST}`, 200)
  }
  const isPodman = Components?.some(({ Name }) => /podman/i.test(Name)) ?? false
  return { api, version: Version, product: isPodman ? 'podman' : 'docker' }
}

/** The older of two versions; the second if they are the same. */
function older(a: string, b: string): string {
  return isAtLeast(a, b) ? b : a
}

/** Is this version of the API that one or a newer one? */
export function isAtLeast(version: string, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number)
  return major === wantedMajor ? minor >= wantedMinor : major > wantedMajor
}
