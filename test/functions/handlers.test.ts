import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PutSecretValueCommand, CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda'
import { startDynamoDb } from '../../infra/local/dynamodb.ts'
import type { LocalService } from '../../infra/local/loopback.ts'
import { startSecrets } from '../../infra/local/secrets.ts'
import { ensureTable } from '../../infra/local/table.ts'
import { newToken, tokenEntry } from '../../lib/http/tokens.ts'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'

interface Answer {
  statusCode: number
  headers?: Record<string, string>
  body?: string
  isBase64Encoded?: boolean
}
type Handler = (event: APIGatewayProxyEventV2, context: Context) => Promise<Answer>
type Authorizer = (event: { identitySource?: string[] | null }) => Promise<{ isAuthorized: boolean; context: Record<string, string> }>

const root = mkdtempSync(join(tmpdir(), 'pman-functions-'))
const token = newToken()
let db: LocalService
let secrets: LocalService
let secretsClient: SecretsManagerClient
const verbs = {} as Record<'hello' | 'submit' | 'status' | 'logs' | 'delete' | 'fallback', Handler>
let authorizer: Authorizer
let cleanup: () => Promise<{ looked: number; failed: number }>

/** What API Gateway hands to a function: payload format 2.0, the authorizer's context inside. */
function event(over: Partial<APIGatewayProxyEventV2> & { method?: string; lambda?: unknown } = {}): APIGatewayProxyEventV2 {
  const { method = 'GET', lambda = { name: 'pfcon', scopes: 'read write', computes: '*' }, ...rest } = over
  return {
    version: '2.0',
    routeKey: '',
    rawPath: '/api/v1/',
    rawQueryString: '',
    headers: { 'content-type': 'application/json' },
    isBase64Encoded: false,
    ...rest,
    requestContext: { requestId: 'r', http: { method, path: '/' }, authorizer: { lambda } },
  } as unknown as APIGatewayProxyEventV2
}
let invocation = 0
const call = (verb: keyof typeof verbs, over?: Parameters<typeof event>[0]): Promise<Answer> =>
  verbs[verb](event(over), { awsRequestId: `a${++invocation}` } as Context)
const messageOf = ({ body = '' }: Answer): unknown => (JSON.parse(body) as { message: unknown }).message

const request = (jid: string): Record<string, unknown> => ({
  jid,
  args: [],
  auid: 'cube',
  number_of_workers: 1,
  cpu_limit: 0,
  memory_limit: 0,
  gpu_limit: 0,
  image: 'a/b',
  entrypoint: ['/bin/echo', 'hi'],
  type: 'ds',
  input_dir: 'in',
  output_dir: 'out',
})

beforeAll(async () => {
  for (const name of ['in', 'out']) mkdirSync(join(root, 'data', name), { recursive: true })
  db = await startDynamoDb()
  secrets = await startSecrets({ file: join(root, 'secrets.json') })
  Object.assign(process.env, {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL_DYNAMODB: db.url,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    JOBS_TABLE: 'jobs',
    CONTAINER_ENV: 'local',
    STORAGE_TYPE: 'host',
    STOREBASE: join(root, 'data'),
    PMAN_LOCAL_DIRECTORY: join(root, 'jobs'),
    PMAN_LOG_LEVEL: 'error',
  })
  await ensureTable(new DynamoDBClient({}), 'jobs')
  secretsClient = new SecretsManagerClient({})
  const tokens = JSON.stringify({ tokens: [tokenEntry(token, { name: 'pfcon', scopes: ['read'], computes: ['local'] })] })
  await secretsClient.send(new CreateSecretCommand({ Name: 'pman/tokens', SecretString: tokens }))
  for (const verb of ['hello', 'submit', 'status', 'logs', 'delete', 'fallback'] as const) {
    verbs[verb] = ((await import(`../../functions/${verb}.ts`)) as { handler: Handler }).handler
  }
  authorizer = (await import('../../functions/authorizer.ts')).handler
  cleanup = (await import('../../functions/cleanup.ts')).handler
})
afterAll(async () => {
  await db.stop()
  await secrets.stop()
  rmSync(root, { recursive: true, force: true })
})

describe('the five verbs', () => {
  const jid = 'straight on'
  test('submit, status, logs, delete', async () => {
    const submitted = await call('submit', { method: 'POST', body: JSON.stringify(request(jid)) })
    expect(submitted).toMatchObject({ statusCode: 201, headers: { 'content-type': 'application/json' } })
    expect(submitted.body).toMatch(/^\{"jid":"straight on".*\}\n$/)
    let status: Answer
    do {
      await new Promise((resolve) => setTimeout(resolve, 100))
      status = await call('status', { pathParameters: { jid } })
    } while (!(status.body ?? '').includes('finished'))
    expect(JSON.parse(status.body ?? '')).toMatchObject({ status: 'finishedSuccessfully', logs: 'hi /share/outgoing\n'.replace('/share/outgoing', join(root, 'data', 'in') + ' ' + join(root, 'data', 'out')) })
    const logs = await call('logs', { pathParameters: { jid }, queryStringParameters: { tail: '1' } })
    expect(logs).toMatchObject({ statusCode: 200, isBase64Encoded: true, headers: { 'x-log-truncated': 'false' } })
    expect(Buffer.from(logs.body ?? '', 'base64').toString()).toMatch(/^hi /)
    expect(await call('delete', { method: 'DELETE', pathParameters: { jid: `/${jid}` } })).toEqual({ statusCode: 204, headers: {} })
    expect((await call('status', { pathParameters: { jid } })).statusCode).toBe(404)
  })

  test('hello names the compute that the path names', async () => {
    expect(JSON.parse((await call('hello')).body ?? '')).toMatchObject({ container_env: 'local', storage_type: 'host' })
    expect((await call('hello', { pathParameters: { compute: 'nowhere' } })).statusCode).toBe(404)
  })

  test('cleanup runs and says what it did', async () => {
    expect(await cleanup()).toMatchObject({ failed: 0, unfinished: [] })
  })
})

describe('what a gateway may hand over', () => {
  test('a path that goes on behind its route is not found; an empty rest is only a slash', async () => {
    expect((await call('hello', { pathParameters: { slash: 'a/b' }, rawPath: '/api/v1/a/b' })).statusCode).toBe(404)
    const posted = await call('submit', { method: 'POST', pathParameters: { slash: 'a' }, rawPath: '/api/v1/a' })
    expect(posted).toMatchObject({ statusCode: 405, headers: { allow: 'GET, DELETE, OPTIONS', 'x-may-repeat': 'no' } })
    expect((await call('hello', { pathParameters: { slash: '' } })).statusCode).toBe(200)
  })

  test('a body in base64', async () => {
    const body = Buffer.from(JSON.stringify({ ...request('x'), jid: '' })).toString('base64')
    const answer = await call('submit', { method: 'POST', body, isBase64Encoded: true, headers: { 'content-type': 'application/vnd.x+json' } })
    expect([answer.statusCode, messageOf(answer)]).toEqual([400, { jid: expect.any(String) as string }])
  })

  test.each([
    ['no content type', { headers: {} }, 415],
    ['no body', { body: undefined }, 400],
    ['a body of more than 1 MiB in base64', { body: Buffer.alloc(1024 * 1024 + 1, 0x20).toString('base64'), isBase64Encoded: true }, 413],
    ['a byte order mark alone', { body: '\ufeff' }, 400],
  ])('%s', async (_, over, status) => {
    const answer = await call('submit', { method: 'POST', body: '{}', ...(over as object) })
    expect([answer.statusCode, messageOf(answer)]).toEqual([status, expect.anything()])
  })

  test('a request that no authorizer has seen is refused', async () => {
    for (const lambda of [null, {}, { name: 'x' }, 'x']) expect((await call('hello', { lambda })).statusCode).toBe(403)
  })

  test.each(['submit', 'delete'] as const)('%s needs the right to write', async (verb) => {
    const lambda = { name: 'reader', scopes: 'read', computes: '*' }
    const over = { method: 'POST', body: JSON.stringify(request('no')), pathParameters: { jid: 'no' }, lambda }
    expect((await call(verb, verb === 'submit' ? { ...over, pathParameters: {} } : over)).statusCode).toBe(403)
  })

  test('a compute that the caller has no right to', async () => {
    expect((await call('hello', { lambda: { name: 'x', scopes: 'read write', computes: 'other' } })).statusCode).toBe(403)
  })

  test('HEAD is no GET', async () => {
    expect(await call('hello', { method: 'HEAD' })).toMatchObject({ statusCode: 405, headers: { allow: 'GET, POST, OPTIONS' } })
  })

  test('a table that is down: 503, which says when and that the same may be sent again', async () => {
    const down = await startDynamoDb()
    await down.stop()
    const { dynamoStore } = await import('../../lib/jobs/dynamodb.ts')
    const { DEFAULT_TIMING } = await import('../../lib/jobs/timing.ts')
    const client = new DynamoDBClient({ endpoint: down.url, maxAttempts: 1 })
    const store = dynamoStore({ client, table: 'jobs', timing: DEFAULT_TIMING, clock: Date.now, random: (n) => new Uint8Array(n) })
    const { open } = await import('../../lib/http/handler.ts')
    const { pman } = await import('../../lib/dialects/pman/index.ts')
    const handler = open('status', pman, async () => {
      await store.read({ compute: 'local', jid: 'x' })
      return { statusCode: 200 }
    }) as unknown as Handler
    const answer = await handler(event(), { awsRequestId: 'x' } as Context)
    expect(answer).toMatchObject({ statusCode: 503, headers: { 'retry-after': '5', 'x-may-repeat': 'yes' } })
    expect(messageOf(answer)).toMatch(/may be sent again/)
  })

  test('a defect: 500 that tells nothing of it', async () => {
    const { open } = await import('../../lib/http/handler.ts')
    const { pman } = await import('../../lib/dialects/pman/index.ts')
    const handler = open('status', pman, () => Promise.reject(new TypeError('secret-inside'))) as unknown as Handler
    const answer = await handler(event(), { awsRequestId: 'x' } as Context)
    expect(answer.statusCode).toBe(500)
    expect(answer.body).not.toContain('secret-inside')
  })
})

describe('the authorizer', () => {
  test('a known token: who it is, and what they may do, for the service to judge', async () => {
    const expected = { isAuthorized: true, context: { name: 'pfcon', scopes: 'read', computes: 'local' } }
    expect(await authorizer({ identitySource: [`Bearer ${token}`] })).toEqual(expected)
    const basic = Buffer.from(`anyone:${token}`).toString('base64')
    expect(await authorizer({ identitySource: [`Basic ${basic}`] })).toEqual(expected)
  })

  test.each([undefined, null, [], [''], ['Bearer constructor'], ['Bearer __proto__'], ['Bearer '], ['x'.repeat(10_000)]])('%j: nobody', async (identitySource) => {
    expect(await authorizer(identitySource === undefined ? {} : { identitySource })).toEqual({ isAuthorized: false, context: {} })
  })

  test('tokens that cannot be read are an error, not a refusal', async () => {
    await secretsClient.send(new PutSecretValueCommand({ SecretId: 'pman/tokens', SecretString: 'no JSON' }))
    const { access } = await import('../../lib/app.ts')
    const fresh = process.env.PMAN_TOKENS_SECRET
    process.env.PMAN_TOKENS_SECRET = 'pman/none'
    try {
      await expect(access().authenticate(`Bearer ${token}`)).rejects.toMatchObject({ code: 'secret_missing' })
    } finally {
      if (fresh === undefined) delete process.env.PMAN_TOKENS_SECRET
      else process.env.PMAN_TOKENS_SECRET = fresh
    }
  })
})

describe('the routes', () => {
  test('what the fallback allows is what serverless.yml routes', async () => {
    const routes = (await import('../../infra/routes.cjs')).default as Record<string, { httpApi: { method: string; path: string } }[]>
    const { allowedMethods } = await import('../../lib/http/routes.ts')
    const declared = Object.values(routes).flat().map(({ httpApi }) => httpApi)
    expect(declared.length).toBeGreaterThan(15)
    for (const { method, path } of declared.filter(({ path: each }) => !each.includes('{slash+}'))) {
      const example = path.replace('{jid}', 'j').replace('{compute}', 'c')
      expect(allowedMethods(example)).toContain(method)
      expect(allowedMethods(`${example}/`)).toEqual(allowedMethods(example))
    }
    for (const path of ['/', '/api', '/api/v1/a/b', '/x/y/api/v1/', '/api/v1/a/logs/b']) expect(allowedMethods(path)).toBeUndefined()
  })
})
