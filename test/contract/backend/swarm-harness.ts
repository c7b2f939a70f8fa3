import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import type { Backend } from '../../../lib/backends/contract.ts'
import { swarm } from '../../../lib/backends/swarm/index.ts'
import type { DockerReach } from './docker-harness.ts'
import type { BackendHarness } from './harness.ts'

export const WITHOUT_SWARM = 'DOCKER_HOST and DOCKER_TEST_IMAGE are not set: npm run test:engines -- swarm'

const containersSchema = z.array(z.object({ Id: z.string() }))

type Own = Readonly<Record<string, unknown>>

/** The driver, on a storebase that the swarm's only node sees; what `own` says goes before the reach's own options. */
export function swarmDriver(reach: DockerReach, storebase: string, deployment: string, own: Own = {}): Backend {
  return swarm.open({
    compute: 'contract',
    deployment,
    storage: { type: 'host', storebase },
    host: 'machine',
    options: { ...reach.options, stopGrace: 1, ...own },
    credentials: reach.secret,
  })
}

/** The driver `swarm` on a real swarm of one node, which is this machine; jobs have a second between SIGTERM and SIGKILL. */
export function swarmHarness(reach: DockerReach): BackendHarness {
  const { image, api } = reach
  return {
    supports: swarm.supports,
    readOnlyInputs: true,
    seesDirectories: true,
    patience: 30_000,
    watch: 2500,
    async setUp() {
      const storebase = await mkdtemp(join(tmpdir(), 'pman-swarm-'))
      // Jobs may be another user's.
      await chmod(storebase, 0o755)
      return {
        image,
        storebase,
        open: (deployment) => swarmDriver(reach, storebase, deployment),
        openUnreachable: () => swarmDriver(reach, storebase, 'contract', { host: `unix://${storebase}/none.sock` }),
        async kill(ref) {
          const signal = AbortSignal.timeout(10_000)
          const filters = JSON.stringify({ label: [`com.docker.swarm.service.id=${ref.split('.')[0] ?? ''}`] })
          const { json } = await api().call({ method: 'GET', path: '/containers/json', query: { filters }, signal })
          for (const { Id } of containersSchema.parse(json)) {
            await api().call({ method: 'POST', path: `/containers/${Id}/kill`, query: { signal: 'SIGKILL' }, signal })
          }
        },
        tearDown: () => rm(storebase, { recursive: true, force: true }),
      }
    },
  }
}
