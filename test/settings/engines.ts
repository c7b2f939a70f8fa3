import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend, BackendModule, Call } from '../../lib/backends/contract.ts'
import { BACKENDS, type BackendType } from '../../lib/backends/index.ts'
import { loadConfig, type ComputeConfig } from '../../lib/config.ts'
import { dockerApi } from '../../lib/engines/docker-api.ts'
import { engineJob } from '../../lib/jobs/engine-job.ts'
import type { JobSpec } from '../../lib/jobs/types.ts'
import type { OtherEngine } from '../support/gateway.ts'
import { record, spec } from '../support/records.ts'

/** An engine that settings are tried on: pman's variables that reach it, and how its own view of a job is had. */
export interface SettledEngine {
  type: BackendType
  image: string
  variables: Readonly<Record<string, string>>
  driver: BackendModule
  /** The driver's own options. */
  options: Readonly<Record<string, unknown>>
  /** The engine's object of a job, as the engine gives it. */
  object(ref: string): Promise<unknown>
}

/** The one that this run is about; all that can be reached, without it. */
const { ENGINE } = process.env
const { DOCKER_HOST = '', DOCKER_TEST_IMAGE = '', PODMAN_HOST = '', PODMAN_TEST_IMAGE = '' } = process.env

async function overSocket(type: BackendType, host: string, image: string, path: (ref: string) => string): Promise<SettledEngine[]> {
  if (host === '' || (ENGINE ?? type) !== type) return []
  const api = dockerApi({ baseUrl: 'http://localhost', socketPath: host.replace('unix://', '') })
  const object = async (ref: string) => (await api.call({ method: 'GET', path: path(ref), signal: AbortSignal.timeout(10_000) })).json
  return [{ type, image, variables: { CONTAINER_ENV: type, DOCKER_HOST: host }, driver: await BACKENDS[type](), options: { host }, object }]
}

/** Those that this run was told how to reach (`npm run test:engines`). */
export const SETTLED: readonly SettledEngine[] = [
  ...(await overSocket('docker', DOCKER_HOST, DOCKER_TEST_IMAGE, (ref) => `/containers/${ref}/json`)),
  ...(await overSocket('podman', PODMAN_HOST, PODMAN_TEST_IMAGE, (ref) => `/containers/${ref}/json`)),
  ...(await overSocket('swarm', DOCKER_HOST, DOCKER_TEST_IMAGE, (ref) => `/services/${ref.replace(/\..*/, '')}`)),
]

/** The same under the service: jobs of these have a second between SIGTERM and SIGKILL. */
export const onGateway = ({ type, image, driver, options }: SettledEngine): OtherEngine => ({
  type,
  image,
  open: (deployment, storebase) =>
    driver.open({
      compute: 'here',
      deployment,
      host: 'machine',
      storage: { type: 'host', storebase },
      options: { ...options, stopGrace: 1 },
      credentials: () => Promise.resolve(undefined),
    }),
})

export const call = (): Call => ({ signal: AbortSignal.timeout(60_000), deadline: Date.now() + 60_000, log: () => undefined })

/** One deployment, as pman's variables set it up, whose jobs are made and looked at, and never run. */
export class Deployment {
  readonly root = mkdtempSync(join(tmpdir(), 'pman-settings-'))
  readonly id = `settings-${randomBytes(6).toString('hex')}`
  readonly #engine: SettledEngine
  readonly #made: { backend: Backend; ref: string }[] = []

  constructor(engine: SettledEngine) {
    this.#engine = engine
    chmodSync(this.root, 0o755)
  }

  /** The compute that these variables make. Throws PmanError `config`. */
  async compute(variables: Readonly<Record<string, string>>): Promise<ComputeConfig> {
    const storage = 'STORAGE_TYPE' in variables ? {} : { STORAGE_TYPE: 'host', STOREBASE: this.root }
    const env = { JOBS_TABLE: 'none', ...this.#engine.variables, ...storage, ...variables }
    const { computes } = await loadConfig(env, { readFile: () => Promise.reject(new Error('no file')), readSecret: () => Promise.reject(new Error('no secret')) })
    const compute = computes.get(this.#engine.type)
    if (compute === undefined) throw new Error('the variables make another compute')
    return compute
  }

  /** Makes a job under these variables, and gives what the engine then has. */
  async object(variables: Readonly<Record<string, string>>, asked: Partial<JobSpec> = {}): Promise<unknown> {
    const compute = await this.compute(variables)
    const backend = this.#engine.driver.open({
      compute: compute.name,
      deployment: this.id,
      storage: compute.storage,
      options: compute.options,
      host: 'machine',
      credentials: () => Promise.resolve(undefined),
    })
    const wanted = spec({ image: this.#engine.image, entrypoint: ['sh'], args: ['-c', 'exit 0'], ...asked })
    const engineName = `settings-${randomBytes(8).toString('hex')}`
    const job = engineJob(record({ engineName, compute: compute.name }), wanted, compute, this.id, randomBytes)
    const prepared = await backend.prepare?.(job, call())
    const ref = await backend.create(job, prepared, call())
    this.#made.push({ backend, ref })
    return this.#engine.object(ref)
  }

  async close(): Promise<void> {
    for (const { backend, ref } of this.#made) while ((await backend.remove(ref, call())) === 'going');
    rmSync(this.root, { recursive: true, force: true })
  }
}
