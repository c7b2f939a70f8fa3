/**
 * Stands between a client and an HTTP server, such as a driver and its engine, and does to their exchanges what networks, gateways and
 * failing machines do. Without a fault everything passes as it comes, streams too.
 */
import { once } from 'node:events'
import { linkSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { createServer as createDoor, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorText } from '../../../lib/errors.ts'
import { Exchange, type Delay, type Pem, type Target } from './exchange.ts'
import { FAULTS, type Fault } from './faults.ts'
import { kindOf, Plan, type Asked, type Chance, type Kind, type Match, type Rule } from './plan.ts'

export interface FaultProxyOptions {
  target: Target
  /** A unix socket in a directory of its own, a port on 127.0.0.1, or that with TLS: clients need a certificate of the same authority. */
  listen: 'unix' | 'tcp' | { tls: Pem }
  /** Milliseconds that a delay takes, where its rule does not say. */
  delay?: number
  /** Milliseconds for which nobody is let in after a request that was refused. */
  refusal?: number
  /** Told the seed of each random run; without it, the console. */
  print?: (line: string) => void
}

/** A request that came, and what became of it. */
export interface Seen extends Asked {
  /** From 1, in the order in which they came. */
  order: number
  kind: Kind
  fault: Fault | undefined
  /** Why it could not be played to its end, as when the client had left, or the engine was not there. */
  problem?: string
}

export interface FaultProxy {
  /** Where it listens. */
  readonly address: { socketPath: string } | { host: string; port: number; url: string }
  /** Faults that still wait for their requests. */
  readonly rules: readonly Rule[]
  readonly seen: readonly Seen[]
  /** The next request that matches gets this fault; `times` more than one, `delay` its own. */
  next(match: Match, fault: Fault, how?: { times?: number; delay?: Delay }): void
  /** Each request may get a fault from now on, always the same ones for the same seed and the same requests in the same order. */
  random(chance: Chance): void
  /** No faults from now on; who was shut out is let in. */
  calm(): Promise<void>
  /** As if there were nobody: connections are cut, and no new ones taken, until `up` or `calm`. */
  down(): void
  up(): Promise<void>
  /** Ends everything, and resolves when nothing is left open. */
  close(): Promise<void>
}

const HOST = '127.0.0.1'

export async function faultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { target, listen, delay = 300, refusal = 200, print = (line) => console.log(line) } = options
  const directory = listen === 'unix' ? mkdtempSync(join(tmpdir(), 'fault-')) : undefined
  const socketPath = directory === undefined ? undefined : join(directory, 'engine.sock')
  const plan = new Plan()
  const seen: Seen[] = []
  const over = new AbortController()
  const sockets = new Set<Socket>()
  const work = new Set<Promise<void>>()
  let door: Server | undefined
  let port = 0
  let reopening: NodeJS.Timeout | undefined

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked: Asked = { method: request.method ?? '', path: request.url ?? '' }
    const planned = plan.faultFor(asked)
    const entry: Seen = { ...asked, order: seen.length + 1, kind: kindOf(asked), fault: planned?.fault }
    seen.push(entry)
    const exchange = new Exchange(request, response, target, planned?.delay ?? delay, over.signal)
    try {
      if (planned?.fault === 'refuse') shutFor(refusal)
      await (planned === undefined ? exchange.pass() : FAULTS[planned.fault].play(exchange))
    } catch (error) {
      entry.problem = errorText(error)
      exchange.cut()
    }
  }

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const served = serve(request, response).finally(() => work.delete(served))
    work.add(served)
  }
  const asksClients = { requestCert: true, rejectUnauthorized: true }
  const front = typeof listen === 'string' ? createHttp(onRequest) : createHttps({ ...listen.tls, ...asksClients }, onRequest)
  // streams may take as long as they like, and idle connections are the client's matter
  front.requestTimeout = 0
  front.headersTimeout = 0
  front.keepAliveTimeout = 0
  // a client whose certificate is not accepted has been cut already
  front.on('clientError', (_error: Error, socket: Socket) => socket.destroy())

  function newDoor(): Server {
    if (socketPath !== undefined) rmSync(socketPath, { force: true })
    const opened = createDoor((socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      socket.on('error', () => undefined)
      front.emit('connection', socket)
    })
    return opened.listen(socketPath === undefined ? { host: HOST, port } : { path: socketPath })
  }

  async function open(): Promise<void> {
    clearTimeout(reopening)
    if (over.signal.aborted) return
    door ??= newDoor()
    if (!door.listening) await once(door, 'listening')
    if (socketPath === undefined) ({ port } = door.address() as AddressInfo)
  }

  /** A unix socket stays behind, as when its server was killed. */
  function shut(): void {
    clearTimeout(reopening)
    if (door?.listening !== true) return
    const behind = `${socketPath ?? ''}.behind`
    if (socketPath !== undefined) linkSync(socketPath, behind)
    door.close()
    door = undefined
    if (socketPath !== undefined) renameSync(behind, socketPath)
  }

  function shutFor(milliseconds: number): void {
    shut()
    front.closeIdleConnections()
    reopening = setTimeout(() => void open(), milliseconds)
  }

  await open()
  const scheme = typeof listen === 'string' ? 'http' : 'https'
  return {
    address: socketPath === undefined ? { host: HOST, port, url: `${scheme}://${HOST}:${port}` } : { socketPath },
    rules: plan.rules,
    seen,
    next: (match, fault, how) => plan.next(match, fault, how),
    random(chance) {
      print(`faults by seed ${chance.seed}`)
      plan.random(chance)
    },
    calm() {
      plan.calm()
      return open()
    },
    down() {
      shut()
      for (const socket of sockets) socket.destroy()
    },
    up: open,
    async close() {
      over.abort()
      shut()
      for (const socket of sockets) socket.destroy()
      front.closeAllConnections()
      front.close()
      await Promise.all(work)
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
    },
  }
}
