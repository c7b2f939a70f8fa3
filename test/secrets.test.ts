import { GetSecretValueCommand, ResourceNotFoundException, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { mockClient } from 'aws-sdk-client-mock'

import { PmanError } from '../lib/errors.ts'
import { fetchFromSecretsManager, secrets } from '../lib/secrets.ts'

const MAX_AGE = 60_000
const MAX_STALE = 300_000

/** A store whose answers are set by hand, and a clock that only moves when told to. */
function setUp(first: () => Promise<string> = async () => 'one') {
  const world = { now: 1_000_000, asked: 0, answer: first, told: [] as unknown[] }
  const store = secrets({
    fetch: async () => {
      world.asked += 1
      return world.answer()
    },
    clock: () => world.now,
    maxAge: MAX_AGE,
    maxStale: MAX_STALE,
    log: (event, fields) => world.told.push({ event, ...fields }),
  })
  return { world, store }
}

const down = async () => Promise.reject(new Error('socket hang up'))
const gone = async () => Promise.reject(new PmanError('secret_missing', 'gone'))

describe('secrets', () => {
  test('ten cold reads at once are one question', async () => {
    const { world, store } = setUp()
    expect(await Promise.all(Array.from({ length: 10 }, () => store.read('a')))).toEqual(Array(10).fill('one'))
    expect(world.asked).toBe(1)
  })

  test('ten cold reads at once of a store that is down are one question too, and ten refusals', async () => {
    const { world, store } = setUp(down)
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => store.read('a')))
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(10)
    expect(world.asked).toBe(1)
  })

  test('two names are two questions', async () => {
    const { world, store } = setUp()
    await Promise.all([store.read('a'), store.read('b')])
    expect(world.asked).toBe(2)
  })

  test('a value is kept for its age, then asked for again', async () => {
    const { world, store } = setUp()
    await store.read('a')
    world.answer = async () => 'two'
    world.now += MAX_AGE - 1
    expect(await store.read('a')).toBe('one')
    world.now += 1
    expect(await store.read('a')).toBe('two')
    expect(world.asked).toBe(2)
  })

  test('the age counts from the question, not from the answer', async () => {
    const { world, store } = setUp(async () => {
      world.now += 10_000
      return Promise.resolve('one')
    })
    await store.read('a')
    world.now += MAX_AGE - 10_000
    await store.read('a')
    expect(world.asked).toBe(2)
  })

  test('a stale value is served while the store is down, and that is told', async () => {
    const { world, store } = setUp()
    await store.read('a')
    world.answer = down
    world.now += MAX_AGE + 5
    expect(await store.read('a')).toBe('one')
    expect(world.told).toEqual([{ event: 'secrets_stale', name: 'a', ageMs: MAX_AGE + 5, error: 'the secret a could not be read' }])
  })

  test('who reads a stale value does not wait for the store each time', async () => {
    const { world, store } = setUp()
    await store.read('a')
    world.answer = down
    world.now += MAX_AGE
    await store.read('a')
    world.now += 4_999
    await store.read('a')
    expect(world.asked).toBe(2)
    world.now += 1
    await store.read('a')
    expect(world.asked).toBe(3)
  })

  test('a value that is too stale is not served', async () => {
    const { world, store } = setUp()
    await store.read('a')
    world.answer = down
    world.now += MAX_AGE + MAX_STALE - 1
    expect(await store.read('a')).toBe('one')
    world.now += 1
    await expect(store.read('a')).rejects.toMatchObject({ code: 'secrets_unavailable', transient: true })
  })

  test('it is well again as soon as the store is', async () => {
    const { world, store } = setUp(down)
    await expect(store.read('a')).rejects.toMatchObject({ code: 'secrets_unavailable' })
    world.answer = async () => 'two'
    expect(await store.read('a')).toBe('two')
  })

  test('a secret that was deleted is missing at once, whatever is kept of it', async () => {
    const { world, store } = setUp()
    await store.read('a')
    world.answer = gone
    world.now += MAX_AGE
    await expect(store.read('a')).rejects.toMatchObject({ code: 'secret_missing', transient: false })
    world.answer = down
    await expect(store.read('a')).rejects.toMatchObject({ code: 'secrets_unavailable' })
  })

  test('refresh asks now, once for all who ask at once, and its answer is what is read then', async () => {
    const { world, store } = setUp()
    await store.read('a')
    world.answer = async () => 'two'
    expect(await Promise.all([store.refresh('a'), store.refresh('a')])).toEqual(['two', 'two'])
    expect(await store.read('a')).toBe('two')
    expect(world.asked).toBe(2)
  })

  test('a refresh that fails says so, and what is kept stays', async () => {
    const { world, store } = setUp()
    await store.read('a')
    world.answer = down
    await expect(store.refresh('a')).rejects.toMatchObject({ code: 'secrets_unavailable' })
    expect(await store.read('a')).toBe('one')
  })

  test('names mean nothing to objects', async () => {
    const { store } = setUp()
    expect(await store.read('__proto__')).toBe('one')
    expect(await store.read('constructor')).toBe('one')
  })
})

describe('fetchFromSecretsManager', () => {
  const client = mockClient(SecretsManagerClient)
  beforeEach(() => client.reset())
  const named = (name: string, message: string) => Object.assign(new Error(message), { name })

  test('ten cold reads at once are one call', async () => {
    client.on(GetSecretValueCommand, { SecretId: 'pman/tokens' }).resolves({ SecretString: 'text' })
    const store = secrets({ fetch: fetchFromSecretsManager(), clock: () => 0, maxAge: MAX_AGE })
    expect(await Promise.all(Array.from({ length: 10 }, () => store.read('pman/tokens')))).toEqual(Array(10).fill('text'))
    expect(client.commandCalls(GetSecretValueCommand)).toHaveLength(1)
  })

  test('uses the client that it is given', async () => {
    client.on(GetSecretValueCommand).resolves({ SecretString: 'text' })
    const given = new SecretsManagerClient({ region: 'eu-west-3' })
    await fetchFromSecretsManager(given)('a')
    expect(client.commandCalls(GetSecretValueCommand)[0]?.thisValue).toBe(given)
  })

  test('a binary secret is its text', async () => {
    client.on(GetSecretValueCommand).resolves({ SecretBinary: new TextEncoder().encode('tëxt') })
    expect(await fetchFromSecretsManager()('a')).toBe('tëxt')
  })

  test('an empty secret is a value', async () => {
    client.on(GetSecretValueCommand).resolves({ SecretString: '' })
    expect(await fetchFromSecretsManager()('a')).toBe('')
  })

  const failures: [what: string, error: Error, code: string][] = [
    ['not there', new ResourceNotFoundException({ message: "can't find it", $metadata: {} }), 'secret_missing'],
    ['scheduled for deletion', named('InvalidRequestException', 'it was marked for deletion.'), 'secret_missing'],
    ['another wrong request', named('InvalidRequestException', 'no'), 'secrets_unavailable'],
    ['not allowed', named('AccessDeniedException', 'no'), 'secrets_unavailable'],
    ['throttled', named('ThrottlingException', 'slowly'), 'secrets_unavailable'],
    ['no network', named('Error', 'connect ECONNREFUSED'), 'secrets_unavailable'],
  ]
  test.each(failures)('%s', async (_, error, code) => {
    client.on(GetSecretValueCommand).rejects(error)
    await expect(fetchFromSecretsManager()('a')).rejects.toMatchObject({ name: 'PmanError', code, cause: error })
  })

  test('no value is missing', async () => {
    client.on(GetSecretValueCommand).resolves({})
    await expect(fetchFromSecretsManager()('a')).rejects.toMatchObject({ code: 'secret_missing' })
  })

  test('the call is bounded in time', async () => {
    client.on(GetSecretValueCommand).resolves({ SecretString: 'text' })
    await fetchFromSecretsManager()('a')
    const sent: readonly unknown[] = client.commandCalls(GetSecretValueCommand)[0]?.args ?? []
    expect(sent[1]).toEqual({ abortSignal: expect.any(AbortSignal) as unknown })
  })
})
