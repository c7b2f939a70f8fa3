import { once } from 'node:events'
import { request as httpRequest, STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** PEM texts. */
export interface Pem {
  ca: string
  cert: string
  key: string
}

/** Where the engine is; with `tls` it is spoken to by TLS, with a client certificate of the proxy's own if there is one. */
export type Target = { socketPath: string } | { host: string; port: number; tls?: Pem | Pick<Pem, 'ca'> | undefined }

/** An answer of the engine, whole, or as much of it as there was within the bounds. */
export interface Whole {
  status: number
  /** Name, value, name, value, … as they came, without those that are between two neighbours alone. */
  headers: string[]
  body: Buffer
}

/** How long an answer without an end is read, in ms, and how much of it, in bytes, where it must be known before it is tampered with. */
const WHOLE = { within: 1_000, bytes: 1024 * 1024 }

/** Between two neighbours alone (RFC 9110 section 7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade'])

/** Milliseconds, or what is waited for. */
export type Delay = number | Promise<unknown>

/** One request that has come in, and the means to do well or badly by it. */
export class Exchange {
  /** What a delay takes. */
  readonly delay: Delay
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #target: Target
  /** Closing the proxy ends what is waited for. */
  readonly #over: AbortSignal
  #heard: Promise<Buffer> | undefined

  constructor(request: IncomingMessage, response: ServerResponse, target: Target, delay: Delay, over: AbortSignal) {
    this.#request = request
    this.#response = response
    this.#target = target
    this.#over = over
    this.delay = delay
  }

  async pause(until: Delay): Promise<void> {
    if (typeof until === 'number') await delay(until, undefined, { signal: this.#over })
    else await Promise.race([until, once(this.#over, 'abort')])
    this.#over.throwIfAborted()
  }

  /** The request's body, to its end. */
  heard(): Promise<Buffer> {
    return (this.#heard ??= buffer(this.#request))
  }

  /**
   * Passes the request on in one piece, as a client sends it that has the engine at its other end, and the answer as it comes; who leaves
   * takes the other side along.
   */
  async pass(): Promise<void> {
    const left = new AbortController()
    this.#response.once('close', () => left.abort())
    const body = await this.heard()
    await this.relay(await this.#asked(body, AbortSignal.any([left.signal, this.#over])))
  }

  /** Passes on an answer of the engine as it comes. */
  async relay(answer: IncomingMessage): Promise<void> {
    this.#response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders))
    this.#response.flushHeaders()
    await pipeline(answer, this.#response)
  }

  /** Has the engine act, whether or not the client still waits: resolves with the head of the answer. */
  async acted(): Promise<IncomingMessage> {
    return this.#asked(await this.heard(), this.#over)
  }

  /** Has the engine act and answer. */
  async answered(): Promise<Whole> {
    const answer = await this.acted()
    const chunks: Buffer[] = []
    let size = 0
    const timer = setTimeout(() => answer.destroy(), WHOLE.within)
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        chunks.push(chunk)
        size += chunk.length
        if (size >= WHOLE.bytes) break
      }
    } catch (error) {
      if (!answer.destroyed) throw error
    } finally {
      clearTimeout(timer)
    }
    return { status: answer.statusCode ?? 502, headers: endToEnd(answer.rawHeaders), body: Buffer.concat(chunks) }
  }

  /** Answers in place of the engine, as something between it and the client does. */
  say(status: number, headers: Readonly<Record<string, string>>, body: string): void {
    this.#response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' }).end(body)
  }

  /** Writes these bytes, one by one if `apart` is not 0 ms, to where the answer should be. */
  async utter(bytes: Uint8Array, apart = 0): Promise<void> {
    const { socket } = this.#request
    const pieces = apart === 0 ? [bytes] : Array.from(bytes, (_, n) => bytes.subarray(n, n + 1))
    for (const piece of pieces) {
      if (socket.destroyed) return
      socket.write(piece)
      if (apart > 0) await this.pause(apart)
    }
  }

  /** What has been written still arrives, then nothing any more. */
  hangUp(): void {
    this.#request.socket.destroySoon()
  }

  /** Nothing more comes from here. */
  cut(): void {
    this.#request.socket.destroy()
  }

  #asked(body: Buffer, signal: AbortSignal): Promise<IncomingMessage> {
    const engine = this.#open(signal)
    const answer = answerOf(engine)
    engine.end(body)
    return answer
  }

  #open(signal: AbortSignal) {
    const { method, url, rawHeaders } = this.#request
    const options = { method, path: url, headers: endToEnd(rawHeaders), agent: false, signal }
    const target = this.#target
    if ('socketPath' in target) return httpRequest({ ...options, socketPath: target.socketPath })
    const { host, port, tls } = target
    return tls === undefined ? httpRequest({ ...options, host, port }) : httpsRequest({ ...options, host, port, ...tls })
  }
}

/** The bytes of an answer on the wire, its length known and its connection at an end (RFC 9112 sections 3 and 6). */
export function onTheWire({ status, headers, body }: Whole): Buffer {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`]
  for (let n = 0; n < headers.length; n += 2) {
    if (!/^(content-length|transfer-encoding)$/i.test(headers[n] ?? '')) lines.push(`${headers[n] ?? ''}: ${headers[n + 1] ?? ''}`)
  }
  const hasBody = status !== 204 && status !== 304
  const length = hasBody ? [`content-length: ${body.length}`] : []
  return Buffer.concat([Buffer.from([...lines, ...length, 'connection: close', '', ''].join('\r\n'), 'latin1'), body])
}

function answerOf(engine: ReturnType<typeof httpRequest>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    engine.once('response', resolve)
    // stays: a request that is given up may fail once more
    engine.on('error', reject)
  })
}

function endToEnd(rawHeaders: readonly string[]): string[] {
  const kept: string[] = []
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const [name = '', value = ''] = rawHeaders.slice(n, n + 2)
    if (!HOP_BY_HOP.has(name.toLowerCase())) kept.push(name, value)
  }
  return kept
}
