import { podman } from '../../../lib/backends/podman/index.ts'
import { dockerApi } from '../../../lib/engines/docker-api.ts'
import type { DockerReach } from './docker-harness.ts'

const { PODMAN_HOST, PODMAN_TEST_IMAGE } = process.env

export const WITHOUT_PODMAN = 'PODMAN_HOST and PODMAN_TEST_IMAGE are not set: npm run test:engines -- podman'

/** By the unix socket of PODMAN_HOST; undefined without it. */
export function podmanBySocket(): DockerReach | undefined {
  if (PODMAN_HOST?.startsWith('unix://') !== true || PODMAN_TEST_IMAGE === undefined) return undefined
  const api = dockerApi({ baseUrl: 'http://podman', socketPath: PODMAN_HOST.slice('unix://'.length) })
  return { image: PODMAN_TEST_IMAGE, options: { host: PODMAN_HOST }, driver: podman, secret: async () => undefined, api: () => api }
}
