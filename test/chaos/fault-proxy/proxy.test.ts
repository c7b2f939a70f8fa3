import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer, request as httpsRequest } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineSilent, transport, type Answer, type Endpoint } from '../../../lib/engines/transport.ts'
import { certificates } from './certificates.ts'
import type { Pem, Target } from './exchange.ts'
import { FAULT_NAMES, FAULTS, type Fault, type FaultRow } from './faults.ts'
import { faultProxy, type FaultProxy, type FaultProxyOptions } from './proxy.ts'

/** What the server behind the proxy has been asked, in order. */
let asked: string[] = []
/** Ends the answers to `/stream`. */
let streams: Readable[] = []
let left = 0

const LONG = 'x'.repeat(2000)

const serve: RequestListener = (request, response) => {
  void (async () => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''} ${await text(request)}`.trim())
    if (request.url === '/stream') {
      const stream = new Readable({ read: () => undefined })
      streams.push(stream)
      response.once('close', () => left++)
      stream.pipe(response)
      response.flushHeaders()
    } else if (request.method === 'DELETE') response.writeHead(204, { 'Api-Version': '1.41' }).end()
    else response.writeHead(201, { 'Api-Version': '1.41', 'X-Twice': ['a', 'b'] }).end(JSON.stringify({ long: LONG }))
  })()
}

interface Wire {
  name: string
  /** Starts a server and tells how it is reached, and how the proxy in front of it is. */
  start(): Promise<{ server: Server; target: Target; listen: FaultProxyOptions['listen'] }>
  endpoint(proxy: FaultProxy): Endpoint
}

let pems: { server: Pem; client: Pem }
let root: string
let sockets = 0

async function listening(server: Server, where: object): Promise<Server> {
  server.listen(where)
  await once(server, 'listening')
  return server
}

const url = ({ address }: FaultProxy): string => ('url' in address ? address.url : 'http://engine')
const WIRES: readonly Wire[] = [
  {
    name: 'unix sockets',
    async start() {
      const socketPath = join(root, `${++sockets}.sock`)
      return { server: await listening(createServer(serve), { path: socketPath }), target: { socketPath }, listen: 'unix' }
    },
    endpoint: (proxy) => ({ baseUrl: url(proxy), socketPath: 'socketPath' in proxy.address ? proxy.address.socketPath : '' }),
  },
  {
    name: 'TCP',
    async start() {
      const server = await listening(createServer(serve), { host: '127.0.0.1', port: 0 })
      return { server, target: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, listen: 'tcp' }
    },
    endpoint: (proxy) => ({ baseUrl: url(proxy) }),
  },
  {
    name: 'mutual TLS',
    async start() {
      const secured = createTlsServer({ ...pems.server, requestCert: true, rejectUnauthorized: true }, serve)
      const server = await listening(secured, { host: '127.0.0.1', port: 0 })
      const { port } = server.address() as AddressInfo
      return { server, target: { host: '127.0.0.1', port, tls: pems.client }, listen: { tls: pems.server } }
    },
    endpoint: (proxy) => ({ baseUrl: url(proxy), tls: pems.client }),
  },
]

beforeAll(async () => {
  pems = await certificates()
  root = mkdtempSync(join(tmpdir(), 'fault-proxy-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const within = (milliseconds = 5_000): AbortSignal => AbortSignal.timeout(milliseconds)
const POST = { method: 'POST', path: '/things?name=a', body: { a: 1 } } as const

/** The answer to `GET /stream` as it comes. */
async function opened({ address }: FaultProxy): Promise<IncomingMessage> {
  const options = { path: '/stream', agent: false, ...address } as const
  const secure = 'url' in address && address.url.startsWith('https:')
  const request = secure ? httpsRequest({ ...options, ...pems.client }) : httpRequest(options)
  const [answer] = (await once(request.end(), 'response')) as [IncomingMessage]
  return answer
}

/** What the client was given: the server's own answer, somebody else's, or none. */
async function given(answer: Promise<Answer>): Promise<FaultRow['client']> {
  try {
    const { headers } = await answer
    return headers['api-version'] === undefined ? 'another answer' : 'the answer'
  } catch (error) {
    if (error instanceof EngineSilent) return 'no answer'
    throw error
  }
}

describe.each(WIRES)('over $name', (wire) => {
  let server: Server
  let proxy: FaultProxy
  let engine: ReturnType<typeof transport>
  beforeAll(async () => {
    const { server: started, ...options } = await wire.start()
    server = started
    proxy = await faultProxy({ ...options, delay: 50, refusal: 100, print: () => undefined })
    engine = transport(wire.endpoint(proxy))
  })
  beforeEach(async () => {
    await proxy.calm()
    asked = []
    streams = []
    left = 0
  })
  afterAll(async () => {
    engine.close()
    await proxy.close()
    server.close()
  })

  test('passes requests, answers and their headers on as they are', async () => {
    const answer = await engine.ask({ ...POST, signal: within() })
    const headers = { 'api-version': '1.41', 'x-twice': 'a, b' }
    expect(answer).toMatchObject({ status: 201, text: JSON.stringify({ long: LONG }), headers })
    expect(await engine.ask({ method: 'DELETE', path: '/things', signal: within() })).toMatchObject({ status: 204, text: '' })
    expect(asked).toEqual(['POST /things?name=a {"a":1}', 'DELETE /things'])
    expect(proxy.seen.slice(-2)).toMatchObject([
      { method: 'POST', path: '/things?name=a', kind: 'change', fault: undefined },
      { method: 'DELETE', path: '/things', kind: 'change', fault: undefined },
    ])
  })

  test.each(FAULT_NAMES)('%s: the server has heard of it or not, and the client gets what the table says', async (fault: Fault) => {
    const { acts, client } = FAULTS[fault]
    proxy.next({}, fault)
    // what is not HTTP at all is no answer to a client that speaks it
    const gets = fault.startsWith('not HTTP') ? 'no answer' : client
    expect(await given(engine.ask({ ...POST, signal: within() }))).toBe(gets)
    expect(asked).toEqual(acts ? ['POST /things?name=a {"a":1}'] : [])
    expect(proxy.seen.at(-1)).toMatchObject({ fault })
    await proxy.calm()
    expect(await given(engine.ask({ ...POST, signal: within() }))).toBe('the answer')
  })

  test.each(['half', 'drip', 'cut after', 'delay after'] as const)('%s of an answer without a body', async (fault) => {
    proxy.next({ method: 'DELETE' }, fault)
    expect(await given(engine.ask({ method: 'DELETE', path: '/things', signal: within() }))).toBe(FAULTS[fault].client)
    expect(asked).toEqual(['DELETE /things'])
  })

  test.each([[429, '1'], [503, '1'], [500, undefined]] as const)('%i is said with Retry-After: %s', async (status, retryAfter) => {
    for (const when of ['before', 'after'] as const) {
      proxy.next({}, `${status} ${when}`)
      const answer = await engine.ask({ ...POST, signal: within() })
      expect([answer.status, answer.headers['retry-after']]).toEqual([status, retryAfter])
    }
  })

  test('the server hears of a delayed request although the client has given up', async () => {
    proxy.next({}, 'delay before', { delay: 200 })
    await expect(engine.ask({ ...POST, signal: within(50) })).rejects.toThrow(EngineSilent)
    expect(asked).toEqual([])
    while (asked.length === 0) await delay(10)
    expect(asked).toEqual(['POST /things?name=a {"a":1}'])
  })

  test('streams pass as they come; a client that leaves takes the server’s side along', async () => {
    const body = await opened(proxy)
    const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    for (const word of ['one', 'two']) {
      streams[0]?.push(word)
      expect(String((await chunks.next()).value)).toBe(word)
    }
    body.destroy()
    while (left === 0) await delay(10)
  })

  test('half of a stream without an end is sent, then the connection is cut', async () => {
    proxy.next({ path: /stream/ }, 'half')
    const asking = engine.ask({ method: 'GET', path: '/stream', signal: within() })
    while (streams.length === 0) await delay(10)
    streams[0]?.push(LONG)
    await expect(asking).rejects.toThrow('broke off')
  })

  test('down: nobody is there; up: somebody is', async () => {
    proxy.down()
    const refused = await engine.ask({ ...POST, signal: within() }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(EngineSilent)
    expect((refused as EngineSilent).message).toContain('ECONNREFUSED')
    await proxy.up()
    expect(await given(engine.ask({ ...POST, signal: within() }))).toBe('the answer')
  })

  test('after a refusal nobody is let in for a while', async () => {
    proxy.next({}, 'refuse')
    await expect(engine.ask({ ...POST, signal: within() })).rejects.toThrow(EngineSilent)
    const next = await engine.ask({ ...POST, signal: within() }).catch((error: unknown) => error)
    expect((next as EngineSilent).message).toContain('ECONNREFUSED')
    const until = within()
    while ((await given(engine.ask({ ...POST, signal: until }))) !== 'the answer') await delay(10)
  })

  test('closes with streams, delays and kept connections open, and leaves nothing behind', async () => {
    const { server: another, ...options } = await wire.start()
    const mine = await faultProxy({ ...options, print: () => undefined })
    const client = transport(wire.endpoint(mine))
    await client.ask({ ...POST, signal: within() })
    const body = await opened(mine)
    const broken = text(body).catch(() => 'broken')
    mine.next({}, 'delay before', { delay: 60_000 })
    mine.next({}, 'delay after', { delay: 60_000 })
    const waiting = [1, 2].map(() => given(client.ask({ ...POST, signal: within(60_000) })))
    while (mine.rules.length > 0) await delay(10)
    await mine.close()
    expect(await broken).toBe('broken')
    expect(await Promise.all(waiting)).toEqual(['no answer', 'no answer'])
    if ('socketPath' in mine.address) expect(existsSync(mine.address.socketPath)).toBe(false)
    await expect(client.ask({ ...POST, signal: within() })).rejects.toThrow(EngineSilent)
    client.close()
    // it ends by itself, as nobody holds a connection to it
    another.close()
    await once(another, 'close')
  })
})

describe('over mutual TLS', () => {
  test.each(WIRES.slice(2))('a client without a certificate, or of another authority, is not let in', async (wire) => {
    const { server, ...options } = await wire.start()
    const proxy = await faultProxy({ ...options, print: () => undefined })
    const others = await certificates()
    for (const tls of [{ ca: pems.server.ca }, { ...others.client, ca: pems.server.ca }]) {
      const client = transport({ baseUrl: url(proxy), tls })
      await expect(client.ask({ ...POST, signal: within() })).rejects.toThrow(EngineSilent)
      client.close()
    }
    expect(proxy.seen).toEqual([])
    await proxy.close()
    server.close()
  })
})

test('an engine that is not there: the connection is cut, and why is told', async () => {
  const proxy = await faultProxy({ target: { socketPath: join(root, 'nobody.sock') }, listen: 'unix' })
  const engine = transport({ baseUrl: 'http://engine', socketPath: 'socketPath' in proxy.address ? proxy.address.socketPath : '' })
  await expect(engine.ask({ ...POST, signal: within() })).rejects.toThrow(EngineSilent)
  expect(proxy.seen).toMatchObject([{ problem: expect.stringContaining('ENOENT') as string }])
  await proxy.close()
})
