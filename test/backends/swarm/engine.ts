import type { Backend, EngineRef } from '../../../lib/backends/contract.ts'
import { DockerRefusal } from '../../../lib/engines/docker-api.ts'
import { Bench } from '../../contract/backend/bench.ts'
import type { Trial, Wish } from '../../contract/backend/bench.ts'
import { bySocket } from '../../contract/backend/docker-harness.ts'
import { swarmDriver, swarmHarness, WITHOUT_SWARM } from '../../contract/backend/swarm-harness.ts'
import { skip } from '../../support/skip.ts'

/** A service as the engine tells of it. */
export interface InspectedService {
  ID: string
  Version: { Index: number }
  Spec: { Name: string; Labels: Record<string, string>; Mode: unknown; TaskTemplate: Record<string, unknown> }
}

type Query = Readonly<Record<string, string | number>>

/** A real swarm, and what the tests do to it behind the driver's back. */
export interface SwarmBench {
  bench: Bench
  /** A driver with other options. */
  open: (options: Readonly<Record<string, unknown>>, secret?: string) => Backend
  /** As a trial, with so many workers, or another image. */
  trial: (script: string, wish?: Wish & { workers?: number; image?: string }) => Promise<Trial>
  idOf: (ref: EngineRef) => string
  /** The answer, or the status of a refusal and its message. */
  ask: (method: 'GET' | 'POST' | 'DELETE', path: string, query?: Query, body?: unknown) => Promise<{ status: number; json: unknown }>
  inspect: (ref: EngineRef) => Promise<InspectedService>
}

/** Tests on the swarm of the engine that DOCKER_HOST names, or one skipped test with the reason. */
export function describeOnSwarm(name: string, body: (swarm: SwarmBench) => void): void {
  const reach = bySocket()
  if (reach === undefined) {
    skip(name, WITHOUT_SWARM)
    return
  }
  const bench = new Bench(swarmHarness(reach))
  const idOf = (ref: EngineRef): string => ref.split('.')[0] ?? ''
  const ask: SwarmBench['ask'] = async (method, path, query = {}, sent) => {
    try {
      return await reach.api().call({ method, path, query, body: sent, signal: AbortSignal.timeout(30_000) })
    } catch (error) {
      if (error instanceof DockerRefusal) return { status: error.status, json: error.message }
      throw error
    }
  }

  describe(name, () => {
    beforeAll(() => bench.setUp())
    afterEach(() => bench.clear())
    afterAll(() => bench.tearDown())
    body({
      bench,
      open(options, secret) {
        const own = secret === undefined ? reach : { ...reach, secret: async () => secret }
        return swarmDriver(own, bench.ground.storebase, bench.deployment, options)
      },
      async trial(script, { workers = 1, image, ...wish } = {}) {
        const made = await bench.trial(script, wish)
        const { job } = made
        return { ...made, job: { ...job, spec: { ...job.spec, workers, image: image ?? job.spec.image } } }
      },
      idOf,
      ask,
      inspect: async (ref) => (await ask('GET', `/services/${idOf(ref)}`)).json as InspectedService,
    })
  })
}
