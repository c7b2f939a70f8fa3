import { randomBytes } from 'node:crypto'
import type { DockerApi } from '../../../lib/engines/docker-api.ts'
import { DockerRefusal } from '../../../lib/engines/docker-api.ts'
import type { Backend } from '../../../lib/backends/contract.ts'
import { Bench } from '../../contract/backend/bench.ts'
import { bySocket, dockerHarness, dockerDriver, WITHOUT_DOCKER } from '../../contract/backend/docker-harness.ts'
import type { DockerReach } from '../../contract/backend/docker-harness.ts'
import { skip } from '../../support/skip.ts'

/** What of ContainerInspect the tests look at. */
export interface Inspected {
  Id: string
  Name: string
  State: { Status: string; ExitCode: number }
  Config: { User: string; Labels: Record<string, string>; Tty: boolean; Entrypoint: string[]; Cmd: string[] | null }
  HostConfig: Record<string, unknown>
}

/** A real engine, and what the tests do to it behind the driver's back. */
export interface DockerBench {
  bench: Bench
  api: DockerApi
  image: string
  /** A driver with other options. */
  open: (options: Readonly<Record<string, unknown>>) => Backend
  /** A POST, by name or id; the status, a refusal's too. */
  post: (path: string, query?: Readonly<Record<string, string>>, body?: unknown) => Promise<number>
  /** undefined: there is none. */
  inspect: (name: string) => Promise<Inspected | undefined>
  /** A container that is nobody's of this service; removed after the tests. */
  foreign: (name: string, labels?: Readonly<Record<string, string>>) => Promise<string>
}

const signal = (): AbortSignal => AbortSignal.timeout(30_000)

/** Tests on the engine that DOCKER_HOST names, or one skipped test with the reason. */
export function describeOnDocker(name: string, body: (docker: DockerBench) => void): void {
  describeOn(bySocket(), WITHOUT_DOCKER, name, body)
}

/** The same on any engine that speaks Docker's API. */
export function describeOn(reach: DockerReach | undefined, reason: string, name: string, body: (docker: DockerBench) => void): void {
  if (reach === undefined) {
    skip(name, reason)
    return
  }
  const { image } = reach
  const api = reach.api()
  const bench = new Bench(dockerHarness(reach))
  const foreigners: string[] = []

  const status = async (ask: Promise<{ status: number }>): Promise<number> => {
    try {
      return (await ask).status
    } catch (error) {
      if (error instanceof DockerRefusal) return error.status
      throw error
    }
  }

  describe(name, () => {
    beforeAll(() => bench.setUp())
    afterEach(() => bench.clear())
    afterAll(async () => {
      for (const id of foreigners) await status(api.call({ method: 'DELETE', path: `/containers/${id}`, query: { force: true }, signal: signal() }))
      await bench.tearDown()
    })
    body({
      bench,
      api,
      image,
      open: (options) => dockerDriver(reach, bench.ground.storebase, bench.deployment, options),
      post: (path, query = {}, sent?) => status(api.call({ method: 'POST', path, query, body: sent, signal: signal() })),
      async inspect(container) {
        try {
          return (await api.call({ method: 'GET', path: `/containers/${container}/json`, signal: signal() })).json as Inspected
        } catch (error) {
          if (error instanceof DockerRefusal && error.status === 404) return undefined
          throw error
        }
      },
      async foreign(prefix, labels = {}) {
        const query = { name: `${prefix}-${randomBytes(6).toString('hex')}` }
        const sent = { Image: image, Entrypoint: ['sh', '-c', 'echo secret; sleep 600'], Labels: labels }
        const { json } = await api.call({ method: 'POST', path: '/containers/create', query, body: sent, signal: signal() })
        const { Id } = json as { Id: string }
        foreigners.push(Id)
        await api.call({ method: 'POST', path: `/containers/${Id}/start`, signal: signal() })
        return Id
      },
    })
  })
}
