import { setTimeout as delay } from 'node:timers/promises'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { NotYet } from '../../../lib/backends/contract.ts'
import type { Call } from '../../../lib/backends/contract.ts'
import { imagePuller, preparedImage } from '../../../lib/backends/docker/images.ts'
import type { PreparedImage } from '../../../lib/backends/docker/images.ts'
import type { Images, PullPolicy } from '../../../lib/backends/docker/types.ts'
import { DockerRefusal } from '../../../lib/engines/docker-api.ts'
import type { DockerApi } from '../../../lib/engines/docker-api.ts'
import { call, refusal } from '../../contract/backend/bench.ts'
import { digestOf, imageOf, manifestOf, pushImage, startRegistry } from '../../support/registry.ts'
import type { Login, Registry } from '../../support/registry.ts'

const LOGIN: Login = { username: 'someone', password: 'ein Geheimnis, ça va?' }

/** What the engines do differently. */
export interface Pulling {
  /** Tells the engine which registries speak plain HTTP. */
  plain?: (hosts: readonly string[]) => Promise<void>
  /** Pulls of one image that are asked for by several are one. */
  sharesPulls: boolean
  /** It asks a registry that has too much to do again and again by itself, for minutes. */
  insists: boolean
  /** Layers that have come stay, though the pull was given up. */
  keepsLayers: boolean
}

/** `prepare` of an engine of the Docker kind, with real registries. */
export function pullsFromRegistries(engine: () => DockerApi, { plain, sharesPulls, insists, keepsLayers }: Pulling): void {
  let open: Registry
  let closed: Registry
  let changed: Registry
  let slow: Slow
  let stub: Stub
  const images: string[] = []
  const signal = new AbortController().signal

  beforeAll(async () => {
    ;[open, closed, changed, stub] = await Promise.all([startRegistry(), startRegistry(LOGIN), startRegistry(LOGIN), startStub()])
    slow = await startSlow(open.host)
    await plain?.([open.host, closed.host, changed.host, stub.host, slow.host, CLOSED_PORT])
  })
  afterEach(async () => {
    for (const image of images.splice(0)) {
      await engine()
        .call({ method: 'DELETE', path: `/images/${image}`, query: { force: true }, signal })
        .catch(unlessRefused)
    }
  })
  afterAll(async () => {
    await Promise.all([slow, open, closed, changed, stub].map((registry) => registry.stop()))
  })

  const puller = (policy: PullPolicy = 'missing', logins: Readonly<Record<string, Login>> = {}): Images =>
    imagePuller(async () => ({ api: engine(), registries: new Map(Object.entries(logins)) }), policy)
  const pushed = async (registry = open, more: Parameters<typeof pushImage>[1] = {}) => {
    const made = await pushImage(registry.host, more)
    images.push(made.image, made.digest)
    return made
  }
  const prepare = async (image: string, from = puller()): Promise<PreparedImage> => preparedImage(await from.prepare(image, call()))
  const isThere = (image: string): Promise<boolean> =>
    engine()
      .call({ method: 'GET', path: `/images/${image}/json`, signal })
      .then(() => true, unless404)

  test('an image that is missing is pulled, and known by its id and its digest', async () => {
    const { image, digest } = await pushed()
    const text = await puller().prepare(image, call())
    expect(preparedImage(text)).toEqual({ id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string, digest })
    expect(text.length).toBeLessThan(4096)
    expect(await isThere(preparedImage(text).id)).toBe(true)
  })

  test('one that is there is not asked for, whatever its tag has become; `always` asks', async () => {
    const { image } = await pushed()
    const before = await prepare(image)
    const other = await pushed()
    await retag(other.image, image)
    expect(await prepare(image)).toEqual(before)
    const after = await prepare(image, puller('always'))
    expect(after.id).not.toBe(before.id)
    expect(puller().resolve(image, JSON.stringify(before))).toBe(before.id)
    expect(await isThere(before.id)).toBe(true)
  })

  test('a reference by digest is what it says, though its tag has become another', async () => {
    const first = await pushed()
    const other = await pushed()
    await retag(other.image, first.image)
    const { id, digest } = await prepare(first.digest)
    expect(digest).toBe(first.digest)
    expect((await prepare(`${first.image}@${first.digest.split('@')[1] ?? ''}`)).id).toBe(id)
    expect((await prepare(first.image)).id).not.toBe(id)
  })

  test('`never` asks no registry', async () => {
    const { image, layers } = await pushed()
    expect((await refusal(puller('never').prepare(image, call()))).reason).toBe('ImageNotFound')
    for (const layer of layers) expect(open.blobsSent()).not.toContain(layer)
    await prepare(image)
    expect(await prepare(image, puller('never'))).toMatchObject({ id: expect.stringMatching(/^sha256:/) as string })
  })

  test('a missing repository, tag and digest', async () => {
    const { image, digest } = await pushed()
    const none = `${digest.split('@')[0] ?? ''}@sha256:${'0'.repeat(64)}`
    for (const name of [`${open.host}/no/such:1`, image.replace(/:1$/, ':2'), none]) {
      const { reason, fields, message } = await refusal(puller().prepare(name, call()))
      expect({ reason, fields }).toEqual({ reason: 'ImageNotFound', fields: { image: expect.stringMatching(/./) as string } })
      expect(message).toContain(name)
    }
  })

  test('a login: the right one, none, a wrong one, one for another registry', async () => {
    const { image, digest } = await pushed(closed, { login: LOGIN })
    const wrong = { ...LOGIN, password: 'an other secret' }
    for (const logins of [{}, { [closed.host]: wrong }, { [open.host]: LOGIN }, { '127.0.0.1': LOGIN }]) {
      const refused = await refusal(puller('missing', logins).prepare(image, call()))
      expect(refused.reason).toBe('ImageRefused')
      expect(refused.message).not.toMatch(/secret|Geheimnis/)
    }
    expect(await prepare(image, puller('missing', { [closed.host]: LOGIN }))).toMatchObject({ digest })
  })

  test('a login that was changed, there and in the secret: the secret is read anew, once', async () => {
    const now = { ...LOGIN, password: 'another one' }
    const asked: boolean[] = []
    const withSecret = (kept: Login, stored: Login): Images =>
      imagePuller(async ({ fresh } = { fresh: false }) => {
        asked.push(fresh)
        return { api: engine(), registries: new Map([[changed.host, fresh ? stored : kept]]) }
      }, 'missing')
    const { image, digest } = await pushed(changed, { login: LOGIN })
    await changed.changeLogin(now)
    for (const stored of [LOGIN, { ...LOGIN, password: 'a wrong one' }]) {
      expect((await refusal(withSecret(LOGIN, stored).prepare(image, call()))).reason).toBe('ImageRefused')
    }
    expect(await prepare(image, withSecret(LOGIN, now))).toMatchObject({ digest })
    expect(asked).toEqual([false, true, false, true, false, true])
  })

  test('a registry that does not answer, or not now, may answer later', async () => {
    for (const host of [CLOSED_PORT, ...(insists ? [] : [`${stub.host}/busy`])]) {
      const error: unknown = await puller().prepare(`${host}/box:1`, call()).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(NotYet)
      expect(error).toMatchObject({ reason: 'RegistryUnreachable' })
    }
  })

  test(`many jobs and two drivers that wait at once have each blob sent once${sharesPulls ? '' : ' to each driver'}`, async () => {
    const { image, layers } = await pushed(open, { bytes: 8 * 1024 * 1024 })
    const drivers = [puller(), puller()]
    const all = await Promise.all(Array.from({ length: 8 }, (_, index) => prepare(image, drivers[index % 2])))
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
    const times = open.blobsSent().filter((digest) => digest === layers[0]).length
    expect(times).toBeGreaterThan(0)
    expect(times).toBeLessThanOrEqual(sharesPulls ? 1 : drivers.length)
  })

  test('a pull that never ends is told of, and goes with the last that waits for it', async () => {
    const image = `${stub.host}/slow/box:1`
    images.push(image)
    const waiters = [new AbortController(), new AbortController()]
    const told: unknown[] = []
    const from = puller()
    const begun = stub.begun()
    const log: Call['log'] = (event, fields) => void told.push({ event, ...fields })
    const ends = waiters.map(({ signal: own }) => from.prepare(image, { ...call(), signal: own, log }).catch((error: unknown) => error))
    await begun
    waiters[0]?.abort(new Error('first'))
    expect(await ends[0]).toMatchObject({ message: 'first' })
    expect(stub.left()).toBe(false)
    while (told.length === 0) await delay(20)
    expect(told[0]).toMatchObject({ event: 'pulling image', image })
    waiters[1]?.abort(new Error('second'))
    expect(await ends[1]).toMatchObject({ message: 'second' })
    await stub.gone()
    expect(await isThere(image)).toBe(false)
  })

  test(`of a pull that was given up, the layers that had come are ${keepsLayers ? 'kept' : 'fetched again'}`, async () => {
    const { image, layers } = await pushed(open, { layers: 4 })
    const last = layers.at(-1) ?? ''
    const behind = image.replace(open.host, slow.host)
    images.push(behind)
    const sent = (): number[] => layers.slice(0, -1).map((layer) => open.blobsSent().filter((digest) => digest === layer).length)
    for (let dispatch = 0; dispatch < 2; dispatch++) {
      const begun = slow.stall(last)
      const budget = new AbortController()
      const pull = puller().prepare(behind, { ...call(), signal: budget.signal }).catch((error: unknown) => error)
      await begun
      while (sent().includes(0)) await delay(20)
      // to be unpacked
      await delay(1000)
      budget.abort(new Error('over'))
      expect(await pull).toMatchObject({ message: 'over' })
      // to be let go of
      await delay(1000)
    }
    slow.goOn()
    await prepare(behind)
    expect(sent()).toEqual(keepsLayers ? [1, 1, 1] : [3, 3, 3])
  })

  /** The tag of `to` becomes the image of `from`, whose blobs are put there first. */
  async function retag(from: string, to: string): Promise<void> {
    const [source, target] = [from, to].map((image) => ({ name: image.slice(open.host.length + 1).replace(/:1$/, '') }))
    const base = `http://${open.host}/v2`
    const accept = { accept: 'application/vnd.docker.distribution.manifest.v2+json' }
    const manifest = await (await fetch(`${base}/${source?.name ?? ''}/manifests/1`, { headers: accept })).text()
    for (const [digest] of manifest.matchAll(/sha256:[0-9a-f]{64}/g)) {
      await fetch(`${base}/${target?.name ?? ''}/blobs/uploads/?mount=${digest}&from=${source?.name ?? ''}`, { method: 'POST' })
    }
    const headers = { 'content-type': accept.accept }
    const answer = await fetch(`${base}/${target?.name ?? ''}/manifests/1`, { method: 'PUT', headers, body: manifest })
    if (!answer.ok) throw new Error(await answer.text())
  }
}

/** Nobody listens there: a port below those that are given out. */
const CLOSED_PORT = '127.0.0.1:1'

/** What is left goes with the engine, or does not matter. */
function unlessRefused(error: unknown): void {
  if (!(error instanceof DockerRefusal)) throw error
}

function unless404(error: unknown): false {
  if (error instanceof DockerRefusal && error.status === 404) return false
  throw error
}

/** A registry that has one image, `slow/box`, whose layer comes byte by byte and never ends, and refuses all else as too much. */
interface Stub {
  host: string
  /** The engine has begun to fetch the layer. */
  begun(): Promise<void>
  /** It has let go of it. */
  left(): boolean
  gone(): Promise<void>
  stop(): Promise<void>
}

const TOO_MANY = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'slow down' }] })

async function startStub(): Promise<Stub> {
  const { layers: [layer = Buffer.alloc(0)], config } = imageOf({ bytes: 1024 * 1024 })
  const [layerBlob, configBlob] = [layer, config].map((content) => ({ digest: digestOf(content), size: content.length }))
  if (layerBlob === undefined || configBlob === undefined) throw new Error('no blobs')
  const manifest = manifestOf(configBlob, [layerBlob])
  const type = 'application/vnd.docker.distribution.manifest.v2+json'
  let fetched: (response: ServerResponse) => void = () => undefined
  const slow = new Promise<ServerResponse>((resolve) => {
    fetched = resolve
  })
  let closed = false
  const server = createServer((request, response) => {
    const url = request.url ?? ''
    if (url === '/v2/') response.writeHead(200, { 'docker-distribution-api-version': 'registry/2.0' }).end('{}')
    else if (url.startsWith('/v2/slow/box/manifests/')) {
      response.writeHead(200, { 'content-type': type, 'docker-content-digest': digestOf(manifest), 'content-length': manifest.length })
      response.end(request.method === 'HEAD' ? undefined : manifest)
    } else if (url.endsWith(configBlob.digest)) response.writeHead(200, { 'content-length': config.length }).end(config)
    else if (url.endsWith(layerBlob.digest)) {
      response.writeHead(200, { 'content-length': layer.length })
      let at = 0
      const drip = setInterval(() => void response.write(layer.subarray(at, ++at)), 20)
      response.on('close', () => {
        clearInterval(drip)
        closed = true
      })
      fetched(response)
    } else response.writeHead(429, { 'content-type': 'application/json' }).end(TOO_MANY)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    begun: async () => {
      await slow
    },
    left: () => closed,
    gone: async () => {
      if (!closed) await once(await slow, 'close')
    },
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The way to a registry, on which one blob may stop half-way. */
interface Slow {
  host: string
  /** From now on this blob stops; resolves when it has. */
  stall(digest: string): Promise<void>
  goOn(): void
  stop(): Promise<void>
}

async function startSlow(registry: string): Promise<Slow> {
  let stalled: { digest: string; begun: () => void } | undefined
  const server = createServer((request, response) => {
    const { method = 'GET', url = '', headers } = request
    void fetch(`http://${registry}${url}`, { method, headers: { accept: headers.accept ?? '*/*' } }).then(async (answer) => {
      const body = Buffer.from(await answer.arrayBuffer())
      response.writeHead(answer.status, Object.fromEntries(answer.headers))
      if (stalled === undefined || !url.endsWith(stalled.digest)) {
        response.end(method === 'HEAD' ? undefined : body)
        return
      }
      response.write(body.subarray(0, body.length / 2))
      stalled.begun()
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stall: (digest) => new Promise((resolve) => (stalled = { digest, begun: resolve })),
    goOn: () => (stalled = undefined),
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
