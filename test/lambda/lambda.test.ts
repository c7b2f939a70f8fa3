import { setTimeout as sleep } from 'node:timers/promises'
import { CreateSecretCommand, PutSecretValueCommand, ResourceExistsException, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { newToken, tokenEntry } from '../../lib/http/tokens.ts'
import { VERSION } from '../../lib/version.ts'
import { pfcon, pythonJson, type Pfcon } from '../e2e/pfcon.ts'
import { v6 } from '../e2e/requests.ts'
import { describeIf } from '../support/skip.ts'
import { gateway, REASON } from './skip.ts'

const COMPUTES = `
default: here
computes:
  here:
    type: local
    storage: { type: host, storebase: /srv/pman }
    options: { directory: /srv/pman-runs }
`

describeIf(gateway !== undefined, REASON, 'the package, on what plays Lambda', () => {
  const base = gateway ?? ''
  const standIn = process.env.LAMBDA_STANDIN_URL ?? ''
  let client: Pfcon
  let reader: Pfcon

  async function keep(secrets: SecretsManagerClient, name: string, value: string): Promise<void> {
    try {
      await secrets.send(new CreateSecretCommand({ Name: name, SecretString: value }))
    } catch (error) {
      if (!(error instanceof ResourceExistsException)) throw error
      await secrets.send(new PutSecretValueCommand({ SecretId: name, SecretString: value }))
    }
  }

  beforeAll(async () => {
    const [token, other] = [newToken(), newToken()]
    const entries = [tokenEntry(token, { name: 'pfcon', scopes: ['read', 'write'] }), tokenEntry(other, { name: 'reader', scopes: ['read'] })]
    const secrets = new SecretsManagerClient({})
    await keep(secrets, 'pman/computes', COMPUTES)
    await keep(secrets, 'pman/tokens', JSON.stringify({ tokens: entries }))
    secrets.destroy()
    // what has read the secrets before starts anew
    for (const { name } of await functions()) await fetch(`${standIn}/kill/${name}`, { method: 'POST' })
    await sleep(500)
    client = pfcon(base, token)
    reader = pfcon(base, other)
  })

  interface Figures {
    name: string
    invocations: number
    lastError: unknown
  }
  async function functions(): Promise<Figures[]> {
    return ((await (await fetch(`${standIn}/functions`)).json()) as { functions: Figures[] }).functions
  }
  async function figuresOf(verb: string): Promise<Figures> {
    const found = (await functions()).find(({ name }) => name.endsWith(`-${verb}`))
    if (found === undefined) throw new Error(`there is no function ${verb}`)
    return found
  }
  const get = (path: string, method = 'GET') => client.send({ method, path })

  test.each(['/api/v1/', '/api/v1', '/here/api/v1/', '/here/api/v1', '/default/api/v1/'])('hello at %s', async (path) => {
    const answer = await get(path)
    expect([answer.status, answer.json()]).toEqual([200, { server_version: VERSION, container_env: 'local', storage_type: 'host' }])
  })

  test('401 without a token, 403 with one that nobody has', async () => {
    expect((await client.raw({ method: 'GET', path: '/api/v1/' })).status).toBe(401)
    for (const value of ['Bearer constructor', 'Bearer nobody', 'Basic bm9ib2R5']) {
      expect((await client.raw({ method: 'GET', path: '/api/v1/', headers: { Authorization: value } })).status).toBe(403)
    }
  })

  test('who may only read does not write, though the authorizer lets both in', async () => {
    expect((await reader.send({ method: 'GET', path: '/api/v1/nobody/' })).status).toBe(404)
    expect((await reader.delete('nobody')).status).toBe(403)
  })

  const paths: [method: string, path: string, status: number, allow: string | undefined][] = [
    ['GET', '/', 404, undefined],
    ['GET', '/api/v1/nobody/', 404, undefined],
    ['GET', '/api/v1/nobody', 404, undefined],
    ['GET', '/api/v1/nobody/logs/', 404, undefined],
    ['GET', '/api/v1/a/b/', 404, undefined],
    ['DELETE', '/api/v1/nobody/', 404, undefined],
    ['GET', '/nowhere/api/v1/', 404, undefined],
    ['PUT', '/api/v1/nobody/', 405, 'GET, DELETE, OPTIONS'],
    ['POST', '/api/v1/nobody/', 405, 'GET, DELETE, OPTIONS'],
    ['DELETE', '/api/v1/', 405, 'GET, POST, OPTIONS'],
    ['OPTIONS', '/api/v1/', 204, 'GET, POST, OPTIONS'],
  ]
  test.each(paths)('%s %s: %d', async (method, path, status, allow) => {
    const answer = await get(path, method)
    expect([answer.status, answer.headers.allow]).toEqual([status, allow])
  })

  const good = (): Record<string, unknown> => v6('job-1', ['sh'])
  const post = (body: string | Buffer, type?: string) =>
    client.send({ method: 'POST', path: '/api/v1/', body, headers: type === undefined ? {} : { 'Content-Type': type } })
  test.each<[name: string, status: number, send: () => ReturnType<typeof post>]>([
    ['no content type', 415, () => post(pythonJson(good()))],
    ['a form', 415, () => post('jid=x', 'application/x-www-form-urlencoded')],
    ['no JSON', 400, () => post('{', 'application/json')],
    ['no UTF-8', 400, () => post(Buffer.from([0x7b, 0xff, 0x7d]), 'application/json')],
    ['a +json type', 400, () => post(pythonJson({ ...good(), jid: '' }), 'application/vnd.api+json')],
    ['a field that is wrong', 400, () => post(pythonJson({ ...good(), cpu_limit: '1e3' }), 'application/json')],
    ['2 MB', 413, () => post(pythonJson({ ...good(), x: 'x'.repeat(2_000_000) }), 'application/json')],
  ])('a body: %s', async (_, status, send) => {
    const answer = await send()
    expect([answer.status, 'message' in (answer.json() as object)]).toEqual([status, true])
  })

  test('the local engine refuses to run there: an error of the site’s own, and no record', async () => {
    const answer = await post(pythonJson(good()), 'application/json')
    expect(answer.status).toBe(500)
    expect((answer.json() as { message: string }).message).toMatch(/never on AWS Lambda/)
    expect((await client.status('job-1')).status).toBe(404)
  })

  test('cleanup runs by its schedule, and dispatch by a key', async () => {
    const before = await figuresOf('cleanup')
    await fetch(`${standIn}/schedule/${before.name}`, { method: 'POST' })
    for (let tries = 0; tries < 50 && (await figuresOf('cleanup')).invocations === before.invocations; tries++) await sleep(100)
    expect((await figuresOf('cleanup')).invocations).toBeGreaterThan(before.invocations)

    const { InvokeCommand, LambdaClient } = await import('@aws-sdk/client-lambda')
    const lambda = new LambdaClient({ endpoint: new URL(standIn).origin })
    const invoke = async (verb: string, payload: string) => {
      const { name } = await figuresOf(verb)
      const { FunctionError, Payload } = await lambda.send(new InvokeCommand({ FunctionName: name, Payload: payload }))
      return [FunctionError, JSON.parse(Buffer.from(Payload ?? []).toString() || 'null')] as unknown[]
    }
    expect(await invoke('dispatch', '{"compute":"here","jid":"nobody"}')).toEqual([undefined, null])
    expect(await invoke('cleanup', '{}')).toEqual([undefined, expect.objectContaining({ unfinished: [] })])
    lambda.destroy()
  })
})
