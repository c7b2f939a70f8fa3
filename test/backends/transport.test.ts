import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EngineAnswer, EngineSilent, jsonOf, retryAfterOf, transport, type Question } from '../../lib/engines/transport.ts'

let server: Server
let answer: (request: IncomingMessage, response: ServerResponse) => void
let asked = 0
const engine = (maxAnswer?: number) => transport({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, maxAnswer)
const question = (more: Partial<Question> = {}): Question => ({ method: 'GET', path: '/x', signal: AbortSignal.timeout(10_000), ...more })

beforeAll(async () => {
  server = createServer((request, response) => {
    asked++
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
beforeEach(() => (asked = 0))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

test('any status is an answer, and nobody is sent elsewhere', async () => {
  for (const status of [200, 204, 302, 404, 500]) {
    answer = (_, response) => response.writeHead(status, { location: '/elsewhere', 'X-One': 'a' }).end(status === 204 ? undefined : 'text')
    const { text, ...rest } = await engine().ask(question())
    expect(rest).toMatchObject({ status, headers: { 'x-one': 'a' } })
    expect(text).toBe(status === 204 ? '' : 'text')
  }
  expect(asked).toBe(5)
})

test('a body is JSON, or text of its own kind; a query is escaped, and what is undefined is left out', async () => {
  const seen: string[] = []
  answer = (request, response) => {
    let text = `${request.url} ${request.headers['content-type']} `
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      seen.push(text)
      response.end()
    })
  }
  await engine().ask(question({ method: 'POST', body: { a: 1 }, query: { b: 'c&d', e: undefined, f: true } }))
  await engine().ask(question({ method: 'POST', body: 'raw', headers: { 'content-type': 'text/plain' } }))
  expect(seen).toEqual(['/x?b=c%26d&f=true application/json {"a":1}', '/x text/plain raw'])
})

test.each<[string, typeof answer]>([
  ['no answer at all', (request) => request.socket.destroy()],
  ['half of one', (_, response) => response.writeHead(200, { 'content-length': '9' }).write('half', () => response.destroy())],
  ['no HTTP', (request) => request.socket.end('garbage\r\n\r\n')],
])('%s: nothing is known, and nothing is asked again', async (_, broken) => {
  answer = broken
  await expect(engine().ask(question({ method: 'POST', headers: { 'x-secret': 'word' } }))).rejects.toThrow(EngineSilent)
  expect(asked).toBe(1)
})

test('an error holds nothing of the question but its method and path', async () => {
  answer = (request) => request.socket.destroy()
  const error: unknown = await engine().ask(question({ headers: { 'x-secret': 'word' }, body: 'word', method: 'POST' })).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ message: expect.stringContaining('POST /x') as string })
  expect((error as Error).cause).toBeUndefined()
})

test('whoever gives up is told so at once, and the engine notices', async () => {
  const left = new Promise<void>((resolve) => (answer = (request) => void request.socket.once('close', () => resolve())))
  const giveUp = new AbortController()
  const asking = engine().ask(question({ signal: giveUp.signal }))
  setTimeout(() => giveUp.abort(), 50)
  await expect(asking).rejects.toThrow(EngineSilent)
  await left
})

test('a stream that is given up closes its connection, though nothing more comes', async () => {
  const left = new Promise<void>((resolve) => {
    answer = (request, response) => {
      request.socket.once('close', () => resolve())
      response.writeHead(200).write('first')
    }
  })
  const { body } = await engine().stream(question({ signal: new AbortController().signal }))
  await once(body, 'data')
  body.destroy()
  await left
})

test('an answer beyond the bound is none', async () => {
  answer = (_, response) => response.end('x'.repeat(2000))
  await expect(engine(1000).ask(question())).rejects.toThrow(EngineAnswer)
  expect((await engine(2000).ask(question())).text.length).toBe(2000)
})

test('an environment that names a proxy is not heeded', async () => {
  process.env.HTTP_PROXY = 'http://127.0.0.1:1'
  answer = (_, response) => response.end('direct')
  expect((await engine().ask(question())).text).toBe('direct')
  delete process.env.HTTP_PROXY
})

test('what is not JSON is nobody’s answer', () => {
  expect(jsonOf(question(), { status: 200, text: '{"a":1}' })).toEqual({ a: 1 })
  expect(() => jsonOf(question(), { status: 502, text: '<html>' })).toThrow(/GET \/x.*502.*not JSON/)
})

test.each([
  ['7', 7000],
  ['Thu, 01 Jan 1970 00:00:10 GMT', 9000],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['soon', undefined],
])('Retry-After: %s', (value, expected) => {
  expect(retryAfterOf({ 'retry-after': value }, 1000)).toBe(expected)
  expect(retryAfterOf({}, 1000)).toBeUndefined()
})
