/** The Kubernetes API, as far as batch jobs need it: the official client's requests and types over this project's own transport. */
import { BatchV1Api, CoreV1Api, createConfiguration, ResponseContext, ServerConfiguration, wrapHttpLibrary } from '@kubernetes/client-node'
import type { Configuration, RequestContext } from '@kubernetes/client-node'
import type { Claim, DeleteOptions, Event, Job, Pod } from './kubernetes-objects.ts'
import { KubernetesRefusal, type PatchStep, type StatusCause } from './kubernetes-refusal.ts'
import { EngineAnswer, jsonOf, retryAfterOf, transport } from './transport.ts'
import type { Answer, Endpoint, Question, StreamedAnswer, Transport } from './transport.ts'

/**
 * The calls that the drivers make, in one namespace. Each throws KubernetesRefusal for what the API server has refused; EngineSilent or
 * EngineAnswer for anything else, after which nothing is known.
 */
export interface KubernetesApi {
  /** `warnings`: what admission had to say of a job that it has let pass. */
  createJob(job: Job, signal: AbortSignal): Promise<{ job: Job; warnings: string[] }>
  patchJob(name: string, steps: readonly PatchStep[], signal: AbortSignal): Promise<void>
  /** Deletes that very job and, before it, its pods; with another uid: refused with 409. */
  deleteJob(name: string, uid: string, signal: AbortSignal): Promise<void>
  deletePod(name: string, uid: string, signal: AbortSignal): Promise<void>
  /** Pages, complete and of one moment as a whole, or it throws. */
  jobs(labelSelector: string, signal: AbortSignal): AsyncGenerator<Job[]>
  pods(labelSelector: string, signal: AbortSignal): AsyncGenerator<Pod[]>
  events(fieldSelector: string, signal: AbortSignal): AsyncGenerator<Event[]>
  /** The bytes as they are; the client's own method would make text of them. */
  podLog(pod: string, container: string, tailLines: number, signal: AbortSignal): Promise<StreamedAnswer>
  claim(name: string, signal: AbortSignal): Promise<Claim>
  version(signal: AbortSignal): Promise<string>
}

/** Objects in one page of a list. */
const PAGE = 500

export function kubernetesApi(endpoint: Endpoint & { token?: string | undefined }, namespace: string): KubernetesApi {
  const { baseUrl, tls, token } = endpoint
  const { origin } = new URL(baseUrl)
  const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const http = transport({ baseUrl: origin, tls, headers: { ...endpoint.headers, ...bearer } })
  const under = baseUrl.slice(origin.length)

  /** A client for one call: its signal, and the kinds of object that are an answer to it. */
  const calls = (signal: AbortSignal, ...kinds: readonly string[]): Configuration =>
    createConfiguration({
      baseServer: new ServerConfiguration(baseUrl, {}),
      httpApi: wrapHttpLibrary({ send: (request) => sent(http, request, signal, kinds) }),
    })
  const batch = (signal: AbortSignal, ...kinds: readonly string[]) => new BatchV1Api(calls(signal, ...kinds))
  const core = (signal: AbortSignal, ...kinds: readonly string[]) => new CoreV1Api(calls(signal, ...kinds))

  return {
    async createJob(body, signal) {
      const answer = await batch(signal, 'Job').createNamespacedJobWithHttpInfo({ namespace, body, fieldValidation: 'Strict' })
      return { job: answer.data, warnings: warningsOf(answer.headers.warning) }
    },
    async patchJob(name, steps, signal) {
      // The first of the content types that the client knows for a patch is that of a JSON patch.
      await batch(signal, 'Job').patchNamespacedJob({ namespace, name, body: steps })
    },
    async deleteJob(name, uid, signal) {
      const body: DeleteOptions = { propagationPolicy: 'Foreground', preconditions: { uid } }
      await batch(signal, 'Job', 'Status').deleteNamespacedJob({ namespace, name, body })
    },
    async deletePod(name, uid, signal) {
      const body: DeleteOptions = { preconditions: { uid } }
      await core(signal, 'Pod', 'Status').deleteNamespacedPod({ namespace, name, body })
    },
    jobs: (labelSelector, signal) => pages((page) => batch(signal, 'JobList').listNamespacedJob({ namespace, labelSelector, ...page })),
    pods: (labelSelector, signal) => pages((page) => core(signal, 'PodList').listNamespacedPod({ namespace, labelSelector, ...page })),
    events: (fieldSelector, signal) =>
      pages((page) => core(signal, 'EventList').listNamespacedEvent({ namespace, fieldSelector, ...page })),
    async podLog(pod, container, tailLines, signal) {
      const path = `${under}/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log`
      const question = { method: 'GET', path, query: { container, tailLines }, signal } as const
      const answer = await http.stream(question)
      // 204: the container has not written anything yet.
      if (answer.status === 204 || (answer.status === 200 && isPlainText(answer))) return answer
      if (answer.status === 200) {
        answer.body.destroy()
        throw new EngineAnswer(`GET ${path}: the answer is no log`, answer.status)
      }
      throw refusalOf(question, { ...answer, text: await textOf(answer) })
    },
    claim: (name, signal) => core(signal, 'PersistentVolumeClaim').readNamespacedPersistentVolumeClaim({ namespace, name }),
    async version(signal) {
      const question = { method: 'GET', path: `${under}/version`, signal } as const
      const answer = await http.ask(question)
      if (answer.status !== 200) throw refusalOf(question, answer)
      const { gitVersion } = Object(jsonOf(question, answer)) as { gitVersion?: unknown }
      if (typeof gitVersion !== 'string') throw new EngineAnswer('GET /version: this is not a Kubernetes API server', answer.status)
      return gitVersion
    },
  }
}

/** A log is text (Kubernetes API, "read log of the specified Pod"); a page is what something in between says. */
const isPlainText = ({ headers }: StreamedAnswer): boolean => headers['content-type']?.startsWith('text/plain') === true

interface Page {
  limit: number
  _continue?: string
}

/** All pages of a list (API concepts, "Retrieving large results sets in chunks"): the token stands for the moment of the first one. */
async function* pages<T>(ask: (page: Page) => Promise<{ items: T[]; metadata?: { _continue?: string } }>): AsyncGenerator<T[]> {
  let next: string | undefined
  do {
    const { items, metadata } = await ask({ limit: PAGE, ...(next === undefined ? {} : { _continue: next }) })
    yield items
    next = metadata?._continue
  } while (next !== undefined && next !== '')
}

/** Sends what the client has built. An answer counts only if it is an object of a kind that was asked for. */
async function sent(http: Transport, request: RequestContext, signal: AbortSignal, kinds: readonly string[]): Promise<ResponseContext> {
  const { pathname, search } = new URL(request.getUrl())
  const question = {
    method: METHODS[request.getHttpMethod()] ?? 'GET',
    path: `${pathname}${search}`,
    body: request.getBody(),
    headers: request.getHeaders(),
    signal,
  } as const
  const answer = await http.ask(question)
  if (answer.status >= 300) throw refusalOf(question, answer)
  const { kind } = Object(jsonOf(question, answer)) as { kind?: unknown }
  if (typeof kind !== 'string' || !kinds.includes(kind)) {
    throw new EngineAnswer(`${question.method} ${pathname}: the answer (${answer.status}) is none of Kubernetes`, answer.status)
  }
  return new ResponseContext(answer.status, { ...answer.headers }, bodyOf(answer.text))
}

const METHODS: Readonly<Record<string, Question['method']>> = { GET: 'GET', POST: 'POST', PATCH: 'PATCH', DELETE: 'DELETE' }

const bodyOf = (text: string) => ({ text: async () => text, binary: async () => Buffer.from(text), stream: () => null })

/** The error that an answer is: a refusal if it is the API server's Status object; otherwise somebody else's, or a failure. */
function refusalOf(question: { method: string; path: string }, answer: Answer): Error {
  const { status, headers, text } = answer
  const place = `${question.method} ${question.path.split('?')[0] ?? ''}`
  const object = statusObject(text)
  const message = object?.message ?? `the answer is ${status}`
  if (object === undefined || status >= 500 || status === 429) {
    return new EngineAnswer(`${place}: ${message}`, status, retryAfterOf(headers, Date.now()))
  }
  return new KubernetesRefusal(message, { status, reason: object.reason, causes: object.causes })
}

function statusObject(text: string): { message: string; reason: string; causes: StatusCause[] } | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const { kind, message, reason, details } = Object(value) as Record<string, unknown>
  if (kind !== 'Status' || typeof message !== 'string') return undefined
  const { causes } = Object(details) as { causes?: unknown }
  const listed = Array.isArray(causes) ? (causes as Partial<StatusCause>[]) : []
  return {
    message,
    reason: typeof reason === 'string' ? reason : '',
    causes: listed.filter((cause): cause is StatusCause => typeof cause.field === 'string' && typeof cause.message === 'string'),
  }
}

/** The texts of a Warning header (RFC 7234 section 5.5, as Kubernetes uses it). */
const warningsOf = (header = ''): string[] =>
  Array.from(header.matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g), ([, text = '']) => text.replace(/\\(.)/g, '$1'))

async function textOf({ body }: StreamedAnswer): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
