import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend } from '../../../lib/backends/contract.ts'
import { swarm } from '../../../lib/backends/swarm/index.ts'
import { call } from '../../contract/backend/bench.ts'

const REF = `${'a'.repeat(25)}.job-1`
const NO_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'

/** An engine that is in no swarm, as Docker 20.10 answers: 503 to every question about services, tasks and nodes. */
describe('an engine that is no manager', () => {
  let directory: string
  let server: Server
  let driver: Backend
  let info: object = {}
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pman-swarm-'))
    server = createServer(({ url = '' }, answer) => {
      const [status, body] = url.endsWith('/version')
        ? [200, { Version: '20.10.24', ApiVersion: '1.41', MinAPIVersion: '1.12' }]
        : url.endsWith('/info')
          ? [200, { Swarm: info }]
          : [503, { message: NO_MANAGER }]
      answer.writeHead(status, { 'content-type': 'application/json', 'api-version': '1.41' }).end(JSON.stringify(body))
    })
    const path = join(directory, 'docker.sock')
    await new Promise<void>((resolve) => server.listen(path, resolve))
    driver = swarm.open({
      compute: 'c',
      deployment: 'd',
      storage: { type: 'host', storebase: directory },
      host: 'machine',
      options: { host: `unix://${path}` },
      credentials: async () => undefined,
    })
  })
  afterAll(async () => {
    server.closeAllConnections()
    server.close()
    await rm(directory, { recursive: true })
  })

  test('says nothing of any job', async () => {
    const unknown = { kind: 'unknown', error: expect.stringContaining(NO_MANAGER) as string }
    expect(await driver.observe([REF, REF], call())).toEqual([unknown, unknown])
  })

  test.each<[string, () => Promise<unknown>]>([
    ['find', () => driver.find('job-1', call())],
    ['release', () => driver.release(REF, 1, call())],
    ['stop', () => driver.stop(REF, call())],
    ['remove', () => driver.remove(REF, call())],
    ['logs', () => driver.logs(REF, { tailLines: 1, maxBytes: 1 }, call())],
    ['list', async () => driver.list(call())[Symbol.asyncIterator]().next()],
  ])('%s fails, and is no refusal', async (_name, act) => {
    await expect(act()).rejects.toMatchObject({ name: 'EngineAnswer', message: expect.stringContaining(NO_MANAGER) as string })
  })

  test.each([
    [{ LocalNodeState: 'inactive', ControlAvailable: false }, 'not part of a swarm (its state is inactive): docker swarm init'],
    [{ LocalNodeState: 'active', ControlAvailable: false }, 'a worker of its swarm: name a manager'],
  ])('its health: %j', async (given, told) => {
    info = given
    const message = expect.stringContaining(told) as string
    await expect(driver.health(call())).rejects.toMatchObject({ code: 'engine_unavailable', message })
  })
})
