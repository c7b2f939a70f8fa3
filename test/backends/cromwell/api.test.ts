import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cromwell } from '../../../lib/backends/cromwell/index.ts'
import { cromwellApi } from '../../../lib/engines/cromwell-api.ts'
import { EngineAnswer, EngineSilent, transport } from '../../../lib/engines/transport.ts'
import { call } from './jobs.ts'

const ID = '4165ed81-c121-4a8d-b284-a6dda9ef0aa8'
const { signal } = new AbortController()

describe('the client', () => {
  let server: Server
  let url: string
  let answer: { status: number; body: string }
  const asked: { method?: string | undefined; path?: string | undefined; authorization?: string | undefined; body: string }[] = []

  async function taken(request: IncomingMessage): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const { method, url: path, headers } = request
    asked.push({ method, path, authorization: headers.authorization, body: Buffer.concat(chunks).toString() })
  }

  beforeAll(async () => {
    server = createServer((request, response) => void taken(request).then(() => response.writeHead(answer.status).end(answer.body)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  beforeEach(() => void asked.splice(0))
  afterAll(() => void server.close())
  const api = () => cromwellApi(transport({ baseUrl: url }))
  const says = (status: number, body: unknown): void => void (answer = { status, body: typeof body === 'string' ? body : JSON.stringify(body) })
  const fail = (message: string) => ({ status: 'fail', message })

  test('asks for the keys that are wanted, each by itself', async () => {
    says(200, { id: ID, status: 'Running', labels: { a: 'b' }, more: 1 })
    expect(await api().metadata(ID, ['status', 'outputs:ChRISJob.exit_code'], signal)).toEqual({ id: ID, status: 'Running', labels: { a: 'b' } })
    expect(asked).toEqual([
      { method: 'GET', path: `/api/workflows/v1/${ID}/metadata?includeKey=status&includeKey=outputs%3AChRISJob.exit_code`, authorization: undefined, body: '' },
    ])
  })

  test('sends a submission as a form', async () => {
    says(201, { id: ID, status: 'On Hold' })
    expect(await api().submit({ workflowSource: 'version 1.0' }, signal)).toEqual({ id: ID, status: 'On Hold' })
    expect(asked[0]?.body).toMatch(/^--(\w+)\r\nContent-Disposition: form-data; name="workflowSource"\r\n\r\nversion 1\.0\r\n--\1--\r\n$/)
  })

  test("Cromwell's own words for what it does not have", async () => {
    says(404, fail(`Unrecognized workflow ID: ${ID}`))
    const it = api()
    const none = [it.metadata(ID, [], signal), it.labels(ID, signal), it.label(ID, {}, signal), it.releaseHold(ID, signal)]
    expect(await Promise.all(none)).toEqual([undefined, undefined, undefined, undefined])
    says(404, fail(`Couldn't abort ${ID} because no workflow with that ID is in progress`))
    expect(await api().abort(ID, signal)).toBeUndefined()
    says(403, fail(`Couldn't change status of workflow ${ID} to 'Submitted' because the workflow is not in 'On Hold' state`))
    expect(await api().releaseHold(ID, signal)).toBe('not held')
    says(400, { id: ID, metadataArchiveStatus: 'ArchivedAndDeleted', message: 'archived' })
    expect(await api().label(ID, {}, signal)).toBe('archived')
  })

  test.each<[number, unknown]>([
    [404, fail('no such page')],
    [404, 'The requested resource could not be found.'],
    [403, fail('forbidden by the proxy')],
    [401, fail('who are you')],
    [500, fail(`Unrecognized workflow ID: ${ID}`)],
    [503, ''],
    [302, ''],
    [200, '<html>'],
    [200, []],
    [200, { results: [{ id: 'x' }], totalResultsCount: 1, status: 7, labels: 'x' }],
  ])('%i %j is an answer of somebody else, whatever was asked', async (status, body) => {
    says(status, body)
    const it = api()
    const reads = [it.metadata(ID, [], signal), it.labels(ID, signal), it.query([], signal), it.version(signal)]
    const changes = [it.label(ID, {}, signal), it.releaseHold(ID, signal), it.abort(ID, signal), it.submit({}, signal)]
    for (const one of await Promise.allSettled([...reads, ...changes])) {
      expect(one).toMatchObject({ status: 'rejected', reason: expect.any(EngineAnswer) as Error })
    }
  })

  test('no answer', async () => {
    const dead = cromwellApi(transport({ baseUrl: 'http://127.0.0.1:1' }))
    await expect(dead.version(signal)).rejects.toBeInstanceOf(EngineSilent)
  })

  test('the credentials of a proxy are sent, and read anew after a refusal', async () => {
    const secrets = ['old', 'new']
    const reads: (boolean | undefined)[] = []
    let current = secrets[0]
    const backend = cromwell.open({
      compute: 'hpc',
      deployment: 'd',
      storage: { type: 'host', storebase: '/srv/chris' },
      host: 'lambda',
      options: { url },
      credentials: async (how) => {
        reads.push(how?.fresh)
        if (how?.fresh === true) current = secrets[1]
        return JSON.stringify({ authorization: `Bearer ${current ?? ''}` })
      },
    })
    says(401, 'no')
    await expect(backend.health(call())).rejects.toThrow('credentials')
    says(200, { cromwell: '92-abc' })
    expect(await backend.health(call())).toMatchObject({ version: 'Cromwell 92-abc' })
    expect(reads).toEqual([undefined, true])
    expect(asked.map(({ authorization }) => authorization)).toEqual(['Bearer old', 'Bearer new'])
  })
})
