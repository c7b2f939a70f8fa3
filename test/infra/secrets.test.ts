import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import type { LocalService } from '../../infra/local/loopback.ts'
import { startSecrets } from '../../infra/local/secrets.ts'
import { NameTaken, putEntry } from '../../infra/local/token-entries.ts'
import { tokenEntry } from '../../lib/http/tokens.ts'

let folder: string
let file: string
let service: LocalService
const clients: SecretsManagerClient[] = []

function client(accessKeyId = 'KEY'): SecretsManagerClient {
  const made = new SecretsManagerClient({
    endpoint: service.url,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey: 'x' },
    maxAttempts: 1,
  })
  clients.push(made)
  return made
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pman-secrets-'))
  file = join(folder, 'secrets.json')
  service = await startSecrets({ file, accessKey: 'KEY' })
})
afterEach(async () => {
  clients.splice(0).forEach((each) => each.destroy())
  await service.stop()
  await rm(folder, { recursive: true, force: true })
})

const create = (Name: string, SecretString: string) => client().send(new CreateSecretCommand({ Name, SecretString }))
const get = async (SecretId: string) => (await client().send(new GetSecretValueCommand({ SecretId }))).SecretString

test('a secret is made, read by name and by ARN, and changed', async () => {
  const { ARN, VersionId } = await create('pman/a', 'one')
  expect(await get('pman/a')).toBe('one')
  expect(await get(ARN ?? '')).toBe('one')
  const changed = await client().send(new PutSecretValueCommand({ SecretId: 'pman/a', SecretString: 'zwölf\n😀' }))
  expect(changed.VersionId).not.toBe(VersionId)
  expect(await get('pman/a')).toBe('zwölf\n😀')
})

test.each(['__proto__', 'constructor', 'toString'])('a secret may be called %s', async (name) => {
  await expect(get(name)).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  await create(name, 'mine')
  expect(await get(name)).toBe('mine')
})

test('the refusals have the names that the SDK knows', async () => {
  await expect(get('pman/none')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  const put = client().send(new PutSecretValueCommand({ SecretId: 'pman/none', SecretString: 'x' }))
  await expect(put).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  await create('pman/a', 'one')
  await expect(create('pman/a', 'two')).rejects.toMatchObject({ name: 'ResourceExistsException' })
  expect(await get('pman/a')).toBe('one')
  await expect(client().send(new DescribeSecretCommand({ SecretId: 'pman/a' }))).rejects.toMatchObject({ name: 'UnknownOperationException' })
  const answer = await fetch(service.url, { method: 'POST', body: '{', headers: { authorization: 'Credential=KEY/x' } })
  expect([answer.status, await answer.json()]).toEqual([400, expect.objectContaining({ __type: 'SerializationException' })])
})

test('only who has the access key is let in', async () => {
  await create('pman/a', 'one')
  await expect(client('OTHER').send(new GetSecretValueCommand({ SecretId: 'pman/a' }))).rejects.toMatchObject({ name: 'AccessDeniedException' })
  expect((await fetch(service.url, { method: 'POST' })).status).toBe(403)
})

test('its file is its owner’s alone, is always whole, and outlives the service', async () => {
  await Promise.all(Array.from({ length: 20 }, (_, n) => create(`pman/${n}`, `value ${n}`)))
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await readdir(folder)).toEqual(['secrets.json'])
  expect(Object.keys(JSON.parse(await readFile(file, 'utf8')) as object)).toHaveLength(20)
  await service.stop()
  service = await startSecrets({ file, accessKey: 'KEY' })
  expect(await get('pman/19')).toBe('value 19')
})

describe('entries of the tokens secret', () => {
  const entry = (name: string, token: string) => tokenEntry(token, { name, scopes: ['read'] })
  const names = async () => (JSON.parse((await get('pman/tokens')) ?? '') as { tokens: { name: string }[] }).tokens.map(({ name }) => name)

  test('are added, and replaced only where that is wanted', async () => {
    await putEntry(client(), 'pman/tokens', entry('a', 'token-a'), { replace: false })
    await putEntry(client(), 'pman/tokens', entry('b', 'token-b'), { replace: false })
    await expect(putEntry(client(), 'pman/tokens', entry('a', 'token-c'), { replace: false })).rejects.toThrow(NameTaken)
    const before = await get('pman/tokens')
    await putEntry(client(), 'pman/tokens', entry('b', 'token-b'), { replace: true })
    expect(await get('pman/tokens')).toBe(before)
    await putEntry(client(), 'pman/tokens', entry('a', 'token-c'), { replace: true })
    expect(await names()).toEqual(['b', 'a'])
    expect(await get('pman/tokens')).not.toContain('token-')
  })

  test.each(['not JSON', '{}', '{"tokens":[{"name":"a"}]}'])('a secret that reads %s is left for its owner to mend', async (text) => {
    await create('pman/tokens', text)
    await expect(putEntry(client(), 'pman/tokens', entry('b', 'token-b'), { replace: true })).rejects.toMatchObject({ code: 'config' })
    expect(await get('pman/tokens')).toBe(text)
  })
})
