/** HTTP to an engine: one question, one answer, within bounds. Knows nothing of jobs; repeats nothing by itself. */
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Readable } from 'node:stream'
import axios from 'axios'
import type { AxiosInstance, AxiosResponse } from 'axios'
import { errorText } from '../errors.ts'

/** Where an engine is, and how it is spoken to. */
export interface Endpoint {
  /** `http://…` or `https://…`, without a slash at the end; with a socket, its host is of no consequence. */
  baseUrl: string
  socketPath?: string | undefined
  /** PEM texts: the authority that the engine's certificate must come from, and the client's own certificate and key. */
  tls?: { ca?: string | undefined; cert?: string | undefined; key?: string | undefined } | undefined
  headers?: Readonly<Record<string, string>> | undefined
}

export interface Question {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Begins with a slash; whoever builds it has escaped its parts. */
  path: string
  query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined
  /** Sent as JSON, unless it is text with a content type of its own. */
  body?: unknown
  headers?: Readonly<Record<string, string>> | undefined
  signal: AbortSignal
}

export interface Answer {
  status: number
  headers: Readonly<Record<string, string>>
  /** The whole body; empty if there was none. */
  text: string
}

export interface StreamedAnswer extends Omit<Answer, 'text'> {
  /** Whoever does not read it to its end destroys it. */
  body: Readable
}

/**
 * No answer, or half of one: whether the engine has acted is not known. Its text is all that is kept of what has failed below: that holds the
 * question with its headers, and the client's key.
 */
export class EngineSilent extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'EngineSilent'
  }
}

/** An answer that the caller has no use for: a status that was not asked for, or a body that is none of the engine's. */
export class EngineAnswer extends Error {
  readonly status: number
  /** Milliseconds after which the engine wants to be asked again, as far as it has said so. */
  readonly retryAfter: number | undefined

  constructor(message: string, status: number, retryAfter?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EngineAnswer'
    this.status = status
    this.retryAfter = retryAfter
  }
}

export interface Transport {
  /** Any status is an answer. Throws EngineSilent, or EngineAnswer for a body beyond the bound. */
  ask(question: Question): Promise<Answer>
  /** The same, with the body as it comes. */
  stream(question: Question): Promise<StreamedAnswer>
  /** Closes the connections that are kept. */
  close(): void
}

/** Bytes of an answer that are read; a list of many thousand jobs has tens of MB. */
const MAX_ANSWER = 64 * 1024 * 1024

export function transport(endpoint: Endpoint, maxAnswer = MAX_ANSWER): Transport {
  const { socketPath, tls, headers = {} } = endpoint
  // A socket costs nothing to open again; and a connection kept while a function is frozen may be dead when it thaws.
  const keepAlive = socketPath === undefined
  const httpAgent = new HttpAgent({ keepAlive })
  const httpsAgent = new HttpsAgent({ keepAlive, ...tls, minVersion: 'TLSv1.2' })
  const client: AxiosInstance = axios.create({
    baseURL: endpoint.baseUrl,
    headers,
    httpAgent,
    httpsAgent,
    ...(socketPath === undefined ? {} : { socketPath }),
    // An engine is not behind the proxies that the environment may name, and sends nobody elsewhere.
    proxy: false,
    maxRedirects: 0,
    maxBodyLength: -1,
    // Any bound, Infinity too, has axios read the body ahead, and a body that is given up then keeps its connection.
    maxContentLength: -1,
    responseType: 'stream',
    validateStatus: () => true,
    transitional: { clarifyTimeoutError: true },
  })

  async function stream({ method, path, query, body, headers: own, signal }: Question): Promise<StreamedAnswer> {
    try {
      const answer: AxiosResponse<Readable> = await client.request({
        method,
        url: path,
        params: query,
        data: typeof body === 'string' || body === undefined ? body : JSON.stringify(body),
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...own },
        signal,
      })
      return { status: answer.status, headers: plain(answer.headers), body: answer.data }
    } catch (error) {
      throw new EngineSilent(`${method} ${path}: ${errorText(error)}`)
    }
  }

  return {
    stream,
    async ask(question) {
      const { status, headers, body } = await stream(question)
      return { status, headers, text: await wholeText(question, status, body, maxAnswer) }
    },
    close() {
      httpAgent.destroy()
      httpsAgent.destroy()
    },
  }
}

async function wholeText({ method, path }: Question, status: number, body: Readable, maxAnswer: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > maxAnswer) break
      chunks.push(chunk)
    }
  } catch (error) {
    throw new EngineSilent(`${method} ${path}: the answer broke off: ${errorText(error)}`)
  }
  if (size > maxAnswer) throw new EngineAnswer(`${method} ${path}: the answer has more than ${maxAnswer} bytes`, status)
  return Buffer.concat(chunks).toString('utf8')
}

/** The JSON of an answer. Throws EngineAnswer if it is none: then somebody else has answered, and nothing is known. */
export function jsonOf(question: Pick<Question, 'method' | 'path'>, { status, text }: Pick<Answer, 'status' | 'text'>): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new EngineAnswer(`${question.method} ${question.path}: the answer (${status}) is not JSON`, status, undefined, error)
  }
}

/** Retry-After in milliseconds, whether it is in seconds or a date (RFC 9110 section 10.2.3); undefined: not said. */
export function retryAfterOf(headers: Answer['headers'], now: number): number | undefined {
  const value = headers['retry-after']
  if (value === undefined) return undefined
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

function plain(headers: object): Record<string, string> {
  const entries = Object.entries(headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined && entry[1] !== null)
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), String(value)]))
}
