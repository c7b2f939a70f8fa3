import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { kubernetesApi } from '../../../lib/engines/kubernetes-api.ts'
import type { KubernetesApi } from '../../../lib/engines/kubernetes-api.ts'
import { KubernetesRefusal, pointer } from '../../../lib/engines/kubernetes-refusal.ts'
import { EngineAnswer, EngineSilent } from '../../../lib/engines/transport.ts'

let server: Server
let answer: RequestListener
let api: KubernetesApi
beforeAll(async () => {
  server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    answer(request, response)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  api = kubernetesApi({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/k8s/one`, token: 't' }, 'ns')
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

const says = (status: number, body: string | object, headers: Record<string, string> = {}): void => {
  answer = (_request, response) => void response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
}
const signal = new AbortController().signal
const all = async (): Promise<unknown[]> => {
  const found = []
  for await (const page of api.jobs('a=b', signal)) found.push(...page)
  return found
}
const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: 'jobs.batch "x" not found', reason: 'NotFound', code: 404 }

test.each([
  ['the API server\'s refusal', 404, status, KubernetesRefusal],
  ['somebody else\'s 404', 404, '<html>404 page not found</html>', EngineAnswer],
  ['a failure of the API server', 500, { ...status, code: 500 }, EngineAnswer],
  ['too many questions', 429, { ...status, code: 429 }, EngineAnswer],
  ['a login page', 302, '', EngineAnswer],
  ['no JSON', 200, 'garbage', EngineAnswer],
  ['JSON of somebody else', 200, { items: [] }, EngineAnswer],
  ['an object of another kind', 200, { kind: 'PodList', items: [] }, EngineAnswer],
])('%s', async (_name, code, body, kind) => {
  says(code, body)
  await expect(all()).rejects.toBeInstanceOf(kind)
})

test('a page that somebody in between sends is no log', async () => {
  says(200, '<!doctype html>', { 'content-type': 'text/html' })
  await expect(api.podLog('pod', 'job', 10, signal)).rejects.toBeInstanceOf(EngineAnswer)
  says(200, 'line\n', { 'content-type': 'text/plain' })
  const { body } = await api.podLog('pod', 'job', 10, signal)
  expect((await body.toArray()).join('')).toBe('line\n')
})

test('Retry-After is handed on', async () => {
  says(429, { ...status, code: 429 }, { 'retry-after': '7' })
  await expect(all()).rejects.toMatchObject({ status: 429, retryAfter: 7000 })
})

test('no answer', async () => {
  answer = (request) => void request.destroy()
  await expect(all()).rejects.toBeInstanceOf(EngineSilent)
})

test('a list is read page by page, by the token of the one before, under the path of the server', async () => {
  const asked: string[] = []
  answer = (request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    asked.push(`${url.pathname}?${url.searchParams.get('continue') ?? ''}`)
    const next = asked.length < 3 ? `page ${asked.length}` : ''
    response.end(JSON.stringify({ kind: 'JobList', metadata: { continue: next }, items: [{ metadata: { name: `job-${asked.length}` } }] }))
  }
  expect(await all()).toMatchObject([1, 2, 3].map((number) => ({ metadata: { name: `job-${number}` } })))
  const path = '/k8s/one/apis/batch/v1/namespaces/ns/jobs'
  expect(asked).toEqual([`${path}?`, `${path}?page 1`, `${path}?page 2`])
})

test('a list of which one page fails is none', async () => {
  let pages = 0
  answer = (_request, response) => {
    if (++pages > 1) response.writeHead(410).end(JSON.stringify({ ...status, code: 410, reason: 'Expired' }))
    else response.end(JSON.stringify({ kind: 'JobList', metadata: { continue: 'more' }, items: [] }))
  }
  await expect(all()).rejects.toMatchObject({ status: 410 })
})

test('what the API server finds wrong is told by its fields, and what it warns of', async () => {
  says(422, { ...status, code: 422, reason: 'Invalid', details: { causes: [{ field: 'spec.x', message: 'is wrong' }, {}] } })
  await expect(api.createJob({}, signal)).rejects.toMatchObject({ status: 422, causes: [{ field: 'spec.x', message: 'is wrong' }] })
  says(201, { kind: 'Job' }, { warning: '299 - "would \\"violate\\" it", 299 - "more"' })
  expect((await api.createJob({}, signal)).warnings).toEqual(['would "violate" it', 'more'])
})

test('a patch compares first, and is one', async () => {
  let sent = ''
  answer = (request, response) => {
    sent = `${request.method ?? ''} ${request.headers['content-type'] ?? ''} ${request.headers.authorization ?? ''} `
    request.on('data', (chunk) => (sent += String(chunk)))
    request.on('end', () => response.end(JSON.stringify({ kind: 'Job' })))
  }
  await api.patchJob('x', [{ op: 'test', path: pointer('metadata', 'annotations', 'a/b~c'), value: 'no' }], signal)
  expect(sent).toBe('PATCH application/json-patch+json Bearer t [{"op":"test","path":"/metadata/annotations/a~1b~0c","value":"no"}]')
})
