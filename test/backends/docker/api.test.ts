import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { dockerApi, DockerRefusal, isAtLeast } from '../../../lib/engines/docker-api.ts'
import { EngineAnswer, EngineSilent } from '../../../lib/engines/transport.ts'

interface Reply {
  status: number
  body?: string
  headers?: Record<string, string>
}

const VERSION = { Version: '20.10.24', ApiVersion: '1.41', MinAPIVersion: '1.12', Components: [{ Name: 'Engine' }] }
const OWN = { 'api-version': '1.41', 'content-type': 'application/json' }

describe('the Docker API', () => {
  let server: Server
  const asked: string[] = []
  let versions: Reply[] = []
  let reply: Reply = { status: 200 }

  beforeAll(async () => {
    server = createServer((request: IncomingMessage, response: ServerResponse) => {
      asked.push(`${request.method ?? ''} ${request.url ?? ''}`)
      const isVersion = request.url === '/version'
      const { status, body = '', headers = OWN } = isVersion ? (versions.shift() ?? { status: 200, body: JSON.stringify(VERSION) }) : reply
      response.writeHead(status, headers).end(body)
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => {
    server.close()
    server.closeAllConnections()
  })
  beforeEach(() => {
    asked.length = 0
    versions = []
  })

  const open = () => dockerApi({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  const signal = AbortSignal.timeout(60_000)
  const question = { method: 'GET', path: '/x', signal } as const

  test.each([
    ['an older engine', VERSION, '1.41', 'docker'],
    ['a newer one, which still knows ours', { ...VERSION, ApiVersion: '1.52', MinAPIVersion: '1.44' }, '1.45', 'docker'],
    ['Podman', { ...VERSION, Version: '4.3.1', MinAPIVersion: '1.24', Components: [{ Name: 'Podman Engine' }] }, '1.41', 'podman'],
    ['one that names no parts', { Version: '1', ApiVersion: '1.40' }, '1.40', 'docker'],
  ])('the version is agreed on: %s', async (_name, told, api, product) => {
    versions = [{ status: 200, body: JSON.stringify(told) }]
    reply = { status: 200, body: '{"a":1}' }
    const client = open()
    expect(await client.call(question)).toEqual({ status: 200, json: { a: 1 } })
    expect(await client.version(signal)).toEqual({ api, version: told.Version, product })
    expect(asked).toEqual(['GET /version', `GET /v${api}/x`])
  })

  test.each([
    ['one that is too old', { ...VERSION, ApiVersion: '1.39' }],
    ['one that is too new', { ...VERSION, ApiVersion: '2.1', MinAPIVersion: '2.0' }],
    ['no Docker at all', { hello: 'world' }],
  ])('%s is refused, and asked again the next time', async (_name, told) => {
    versions = [{ status: 200, body: JSON.stringify(told) }]
    reply = { status: 200, body: '{}' }
    const client = open()
    await expect(client.call(question)).rejects.toThrow(EngineAnswer)
    expect(await client.call(question)).toMatchObject({ status: 200 })
  })

  test('an engine that was replaced by an older one is asked for its version again', async () => {
    const client = open()
    await client.version(signal)
    for (const headers of [OWN, { ...OWN, 'content-type': 'text/plain; charset=utf-8' }]) {
      const message = 'client version 1.41 is too new. Maximum supported API version is 1.40'
      reply = { status: 400, body: headers === OWN ? JSON.stringify({ message }) : message, headers }
      await expect(client.call(question)).rejects.toThrow(EngineAnswer)
      versions = [{ status: 200, body: JSON.stringify({ ...VERSION, ApiVersion: '1.40' }) }]
      reply = { status: 204 }
      expect(await client.call(question)).toEqual({ status: 204, json: undefined })
      expect(asked.at(-1)).toBe('GET /v1.40/x')
    }
  })

  const refused = { message: 'No such container: x' }
  const proxy = { 'content-type': 'application/json' }
  const answers: [name: string, reply: Reply, error: new (...words: never[]) => Error, more: object][] = [
    ['its own 404', { status: 404, body: JSON.stringify(refused) }, DockerRefusal, { status: 404, ...refused }],
    ['its own 500', { status: 500, body: JSON.stringify(refused) }, DockerRefusal, { status: 500 }],
    ['Podman\'s 404', { status: 404, body: JSON.stringify({ cause: 'no', response: 404, ...refused }) }, DockerRefusal, { status: 404 }],
    ['a 404 of somebody else', { status: 404, body: JSON.stringify(refused), headers: proxy }, EngineAnswer, { status: 404 }],
    ['a 200 of somebody else', { status: 200, body: '{}', headers: proxy }, EngineAnswer, { status: 200 }],
    ['a 204 of somebody else', { status: 204, headers: {} }, EngineAnswer, { status: 204 }],
    ['a 404 without a message', { status: 404, body: 'page not found' }, EngineAnswer, { status: 404 }],
    ['its own 503', { status: 503, body: JSON.stringify(refused) }, EngineAnswer, { status: 503 }],
    ['a 429', { status: 429, body: JSON.stringify(refused), headers: { ...OWN, 'retry-after': '7' } }, EngineAnswer, { retryAfter: 7000 }],
    ['a redirect', { status: 302, headers: { ...OWN, location: '/y' } }, EngineAnswer, { status: 302 }],
    ['garbage', { status: 200, body: '<html>' }, EngineAnswer, { status: 200 }],
  ]
  test.each(answers)('%s', async (_name, answer, kind, more) => {
    reply = answer
    const error: unknown = await open().call(question).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(kind)
    expect(error).toMatchObject(more)
  })

  test.each(answers.filter(([name]) => name !== 'garbage'))('%s, to a stream', async (_name, answer, kind, more) => {
    reply = answer
    const error: unknown = await open().stream(question).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(kind)
    expect(error).toMatchObject(more)
  })

  test('304 is an answer, and a stream is read as it comes', async () => {
    reply = { status: 304 }
    expect(await open().call(question)).toEqual({ status: 304, json: undefined })
    reply = { status: 200, body: 'bytes' }
    expect(await text(await open().stream(question))).toBe('bytes')
  })

  test('an engine that is not there says nothing', async () => {
    await expect(dockerApi({ baseUrl: 'http://127.0.0.1:1' }).call(question)).rejects.toThrow(EngineSilent)
  })
})

test.each([
  ['1.41', '1.41', true],
  ['1.5', '1.41', false],
  ['1.100', '1.45', true],
  ['2.0', '1.45', true],
  ['1.45', '2.0', false],
])('%s is at least %s: %s', (version, wanted, answer) => {
  expect(isAtLeast(version, wanted)).toBe(answer)
})
