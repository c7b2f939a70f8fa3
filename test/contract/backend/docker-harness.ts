import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { docker } from '../../../lib/backends/docker/index.ts'
import { dockerApi } from '../../../lib/engines/docker-api.ts'
import type { DockerApi } from '../../../lib/engines/docker-api.ts'
import type { Backend, BackendModule } from '../../../lib/backends/contract.ts'
import type { BackendHarness } from './harness.ts'

/** How a Docker Engine is reached: what the driver is told, and a client of the tests' own. */
export interface DockerReach {
  image: string
  options: Readonly<Record<string, unknown>>
  /** The driver, if it is not `docker`. */
  driver?: BackendModule
  /** The text of the compute's secret. */
  secret: () => Promise<string | undefined>
  api: () => DockerApi
}

const { DOCKER_HOST, DOCKER_TLS_HOST, DOCKER_TLS_CA = '', DOCKER_TLS_CERT = '', DOCKER_TLS_KEY = '', DOCKER_TEST_IMAGE } = process.env

export const WITHOUT_DOCKER = 'DOCKER_HOST and DOCKER_TEST_IMAGE are not set: npm run test:engines -- docker'
export const WITHOUT_DOCKER_TLS = 'DOCKER_TLS_HOST and DOCKER_TEST_IMAGE are not set: npm run test:engines -- docker'

/** By the unix socket of DOCKER_HOST; undefined without it. */
export function bySocket(): DockerReach | undefined {
  if (DOCKER_HOST?.startsWith('unix://') !== true || DOCKER_TEST_IMAGE === undefined) return undefined
  const api = dockerApi({ baseUrl: 'http://docker', socketPath: DOCKER_HOST.slice('unix://'.length) })
  return { image: DOCKER_TEST_IMAGE, options: { host: DOCKER_HOST }, secret: async () => undefined, api: () => api }
}

/** By TLS with a client's certificate out of the secret; undefined without DOCKER_TLS_HOST. */
export function byTls(): DockerReach | undefined {
  const socket = bySocket()
  if (DOCKER_TLS_HOST === undefined || socket === undefined) return undefined
  const texts = () => Promise.all([DOCKER_TLS_CA, DOCKER_TLS_CERT, DOCKER_TLS_KEY].map((path) => readFile(path, 'utf8')))
  const secret = async () => {
    const [ca, cert, key] = await texts()
    return JSON.stringify({ ca, cert, key })
  }
  return { ...socket, options: { host: DOCKER_TLS_HOST }, secret }
}

/** A driver on the engine; jobs have a second between SIGTERM and SIGKILL. */
export function dockerDriver(
  { options, secret, driver = docker }: DockerReach,
  storebase: string,
  deployment: string,
  own: Readonly<Record<string, unknown>> = {},
): Backend {
  return driver.open({
    compute: 'contract',
    deployment,
    storage: { type: 'host', storebase },
    host: 'machine',
    options: { ...options, stopGrace: 1, ...own },
    credentials: secret,
  })
}

/** The driver `docker` on a real engine. */
export function dockerHarness(reach: DockerReach): BackendHarness {
  return {
    supports: docker.supports,
    readOnlyInputs: true,
    seesDirectories: true,
    patience: 20_000,
    watch: 1000,
    async setUp() {
      const storebase = await mkdtemp(join(tmpdir(), 'pman-docker-'))
      // Jobs may be another user's.
      await chmod(storebase, 0o755)
      return {
        image: reach.image,
        storebase,
        open: (deployment) => dockerDriver(reach, storebase, deployment),
        openUnreachable: () => dockerDriver(reach, storebase, 'contract', { host: `unix://${storebase}/none.sock` }),
        kill: async (ref) => {
          const path = `/containers/${ref}/kill`
          await reach.api().call({ method: 'POST', path, query: { signal: 'SIGKILL' }, signal: AbortSignal.timeout(10_000) })
        },
        tearDown: () => rm(storebase, { recursive: true, force: true }),
      }
    },
  }
}
