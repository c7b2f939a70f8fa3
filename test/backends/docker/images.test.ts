import fc from 'fast-check'
import { EngineRejected, NeedsPreparation, NotYet } from '../../../lib/backends/contract.ts'
import { pullFailure } from '../../../lib/backends/docker/images-failure.ts'
import { Flights } from '../../../lib/backends/docker/images-flights.ts'
import { progressOf } from '../../../lib/backends/docker/images-progress.ts'
import { fullName, parseReference } from '../../../lib/backends/docker/images-reference.ts'
import { imagePuller, loginFor } from '../../../lib/backends/docker/images.ts'

const DIGEST = `sha256:${'0'.repeat(64)}`

test.each([
  ['busybox', 'docker.io/library/busybox:latest'],
  ['busybox:1', 'docker.io/library/busybox:1'],
  ['library/busybox', 'docker.io/library/busybox:latest'],
  ['local/busybox:1', 'docker.io/local/busybox:1'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['index.docker.io/fnndsc/pl:2', 'docker.io/fnndsc/pl:2'],
  ['localhost/a', 'localhost/a:latest'],
  ['127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b:latest'],
  ['[::1]:5000/a', '[::1]:5000/a:latest'],
  ['registry.example/a:t', 'registry.example/a:t'],
  [`registry.example/a@${DIGEST}`, `registry.example/a@${DIGEST}`],
  [`registry.example:80/a:t@${DIGEST}`, `registry.example:80/a@${DIGEST}`],
  ['deadbeef', 'docker.io/library/deadbeef:latest'],
])('%s in full is %s', (image, full) => {
  expect(fullName(image)).toBe(full)
  expect(fullName(full)).toBe(full)
})

describe('logins', () => {
  const login = { username: 'üser', password: 'pä>?ss' }
  const sent = (image: string, ...hosts: string[]): unknown => {
    const header = loginFor(image, new Map(hosts.map((host) => [host, login])))
    return header === undefined ? undefined : JSON.parse(Buffer.from(header, 'base64url').toString())
  }
  test.each([
    ['registry.example:80/a', 'registry.example:80', 'registry.example:80'],
    ['busybox', 'docker.io', 'https://index.docker.io/v1/'],
    ['busybox', 'https://index.docker.io/v1/', 'https://index.docker.io/v1/'],
    ['index.docker.io/a/b', 'index.docker.io', 'https://index.docker.io/v1/'],
  ])('for %s of %s', (image, host, serveraddress) => {
    expect(sent(image, host)).toEqual({ ...login, serveraddress })
  })
  test.each([
    ['registry.example:80/a', 'registry.example'],
    ['registry.example/a', 'example'],
    ['registry.example/a', 'registry.example:80'],
    ['busybox', 'registry.example'],
    ['registry.example/docker.io/a', 'docker.io'],
  ])('none for %s of %s', (image, host) => {
    expect(sent(image, host)).toBeUndefined()
  })
  test('in the alphabet and with the padding that engines read', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (password) => {
        const header = loginFor('a.b/c', new Map([['a.b', { username: 'u', password }]])) ?? ''
        expect(header).toMatch(/^[A-Za-z0-9_-]+={0,2}$/)
        expect(header.length % 4).toBe(0)
      }),
    )
  })
})

describe('what a failed pull is', () => {
  const name = (error: Error): string =>
    error instanceof EngineRejected ? error.reason : error instanceof NotYet ? `later: ${error.reason}` : 'unknown'
  const image = '127.0.0.1:5000/d2/box:t1'
  test.each([
    // Docker 20.10
    ['manifest for 127.0.0.1:5000/d2/box:t1 not found: manifest unknown: manifest unknown', 'ImageNotFound'],
    ['no matching manifest for linux/amd64 in the manifest list entries', 'ImageNotFound'],
    ['Head "http://127.0.0.1:5000/v2/d2/box/manifests/t1": no basic auth credentials', 'ImageRefused'],
    ['unauthorized: authentication required', 'ImageRefused'],
    ['Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', 'later: RegistryUnreachable'],
    ['Get "https://no-such.invalid/v2/": dial tcp: lookup no-such.invalid on 127.0.0.53:53: no such host', 'later: RegistryUnreachable'],
    ['Get "https://r.example/v2/": http: server gave HTTP response to HTTPS client', 'later: RegistryUnreachable'],
    ['toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating', 'later: RegistryUnreachable'],
    ['received unexpected HTTP status: 503 Service Unavailable', 'later: RegistryUnreachable'],
    ['Get "https://auth.example/token": unauthorized: incorrect username or password', 'ImageRefused'],
    // Podman 4.3
    ['initializing source docker://127.0.0.1:5000/d2/box:t1: reading manifest t1 in 127.0.0.1:5000/d2/box: manifest unknown: manifest unknown', 'ImageNotFound'],
    ['initializing source docker://127.0.0.1:5000/d2/box:t1: unable to retrieve auth token: invalid username/password: unauthorized: authentication required', 'ImageRefused'],
    ['failed to register layer: write /x: no space left on device', 'unknown'],
  ])('%s', (message, kind) => {
    expect(name(pullFailure(image, message, false))).toBe(kind)
  })
  test('a name says nothing', () => {
    const message = 'manifest for r.example/unauthorized/forbidden:denied not found: manifest unknown: manifest unknown'
    expect(name(pullFailure('r.example/unauthorized/forbidden:denied', message, true))).toBe('ImageNotFound')
    expect(name(pullFailure('r.example/a/503', 'weird trouble with r.example/a/503', true))).toBe('unknown')
  })
  test('what may be either depends on whether a login was sent', () => {
    const message = "pull access denied for a/b, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
    expect(name(pullFailure('a/b', message, false))).toBe('ImageNotFound')
    expect(name(pullFailure('a/b', message, true))).toBe('ImageRefused')
  })
  test('the reference and the engine\'s words are told, by the field', () => {
    const refused = pullFailure(image, 'manifest unknown', false)
    expect(refused).toMatchObject({ message: `image ${image}: manifest unknown`, fields: { image: 'manifest unknown' } })
  })
})

describe('one work for all that wait', () => {
  const waiter = () => {
    const control = new AbortController()
    const told: string[] = []
    return { control, told, signal: control.signal, log: (event: string) => void told.push(event) }
  }
  const work = () => {
    let begun = 0
    let aborted = 0
    let finish: (value: string) => void = () => undefined
    let tell: (event: string) => void = () => undefined
    const run = (signal: AbortSignal, log: (event: string) => void) => {
      begun++
      tell = log
      return new Promise<string>((resolve, reject) => {
        finish = resolve
        signal.addEventListener('abort', () => {
          aborted++
          reject(new Error('aborted'))
        })
      })
    }
    return { run, begun: () => begun, aborted: () => aborted, finish: (value: string) => finish(value), tell: (event: string) => tell(event) }
  }

  test('is begun once, and told to all', async () => {
    const flights = new Flights<string>()
    const one = work()
    const [a, b] = [waiter(), waiter()]
    const results = [flights.join('k', a, one.run), flights.join('k', b, one.run)]
    one.tell('half')
    one.finish('done')
    expect(await Promise.all(results)).toEqual(['done', 'done'])
    expect([one.begun(), a.told, b.told]).toEqual([1, ['half'], ['half']])
  })

  test('goes on when one leaves, and is aborted with the last', async () => {
    const flights = new Flights<string>()
    const one = work()
    const [a, b] = [waiter(), waiter()]
    const results = Promise.allSettled([flights.join('k', a, one.run), flights.join('k', b, one.run)])
    a.control.abort(new Error('a has left'))
    await new Promise(setImmediate)
    expect(one.aborted()).toBe(0)
    b.control.abort(new Error('b has left'))
    expect(await results).toMatchObject([{ reason: { message: 'a has left' } }, { reason: { message: 'b has left' } }])
    expect(one.aborted()).toBe(1)
    const again = work()
    const third = flights.join('k', waiter(), again.run)
    again.finish('anew')
    expect(await third).toBe('anew')
  })

  test('is begun anew after its end, and apart for another key', async () => {
    const flights = new Flights<string>()
    const one = work()
    const first = flights.join('k', waiter(), one.run)
    one.finish('1')
    await first
    const other = work()
    const [second, third] = [flights.join('k', waiter(), one.run), flights.join('l', waiter(), other.run)]
    one.finish('2')
    other.finish('3')
    expect(await Promise.all([second, third])).toEqual(['2', '3'])
    expect(one.begun()).toBe(2)
  })

  test('is not begun for one that has left', async () => {
    const one = work()
    const a = waiter()
    a.control.abort(new Error('too late'))
    await expect(new Flights<string>().join('k', a, one.run)).rejects.toThrow('too late')
    expect(one.begun()).toBe(0)
  })
})

test('the progress of a pull is told at once, and then now and then', () => {
  const told: unknown[] = []
  let now = 0
  const line = progressOf('a', (_event, fields) => void told.push(fields), () => now)
  line({ status: 'Pulling from a', id: '1' })
  line({ status: 'Downloading', id: 'x', progressDetail: { current: 5, total: 9 } })
  line({ status: 'Downloading', id: 'y', progressDetail: { current: 7, total: 9 } })
  now = 60_000
  line({ status: 'Pull complete', id: 'x' })
  line({ status: 'Digest: z' })
  expect(told).toEqual([
    { image: 'a', layers: 1, done: 0, bytes: 5 },
    { image: 'a', layers: 2, done: 1, bytes: 12 },
  ])
})

describe('what a create names', () => {
  const none = () => Promise.reject(new Error('not asked'))
  test('the id that was prepared, or the name in full', () => {
    const images = imagePuller(none, 'missing')
    expect(images.resolve('busybox', undefined)).toBe('docker.io/library/busybox:latest')
    expect(images.resolve('busybox', JSON.stringify({ id: DIGEST, digest: `docker.io/library/busybox@${DIGEST}` }))).toBe(DIGEST)
    expect(() => images.resolve('busybox', '{"id":1}')).toThrow()
  })
  test('nothing before it is prepared, where every job pulls', () => {
    const images = imagePuller(none, 'always')
    expect(() => images.resolve('busybox', undefined)).toThrow(NeedsPreparation)
    expect(images.resolve('busybox', JSON.stringify({ id: DIGEST }))).toBe(DIGEST)
  })
})

test('a reference in its parts', () => {
  expect(parseReference(`r.example:80/a/b:t@${DIGEST}`)).toEqual({ host: 'r.example:80', repository: 'r.example:80/a/b', version: DIGEST, isDigest: true })
})
