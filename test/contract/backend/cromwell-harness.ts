import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Backend } from '../../../lib/backends/contract.ts'
import { cromwell } from '../../../lib/backends/cromwell/index.ts'
import type { BackendHarness } from './harness.ts'

/** A Cromwell server whose jobs see this machine's directories. */
export interface CromwellServer {
  url: string
  /** Where its executions are, for a gateway that sees them; without, logs come from the engine alone. */
  executions?: string | undefined
}

/** The driver `cromwell`; the server is asked for when it is needed. */
export function cromwellHarness(server: () => Promise<CromwellServer>, seesExecutions: boolean, readOnlyInputs: boolean): BackendHarness {
  return {
    // Memory and user are the site's own part: the stand-in hands them on to nobody.
    supports: { ...cromwell.supports, memoryLimit: false, user: false, logsWhileRunning: seesExecutions, stopForgets: !seesExecutions },
    readOnlyInputs,
    seesDirectories: false,
    patience: 30_000,
    watch: 1000,
    async setUp() {
      const { url, executions } = await server()
      const storebase = await mkdtemp(join(tmpdir(), 'pman-cromwell-'))
      const options = seesExecutions ? { executions } : {}
      const open = (at: string, deployment: string): Backend =>
        cromwell.open({
          compute: 'contract',
          deployment,
          storage: { type: 'host', storebase },
          host: 'machine',
          options: { url: at, ...options },
          credentials: async () => undefined,
        })
      return {
        image: 'docker.io/library/busybox:1.36',
        storebase,
        open: (deployment) => settled(open(url, deployment)),
        openUnreachable: () => open('http://127.0.0.1:1', 'contract'),
        tearDown: () => rm(storebase, { recursive: true, force: true }),
      }
    },
  }
}

/** The driver, with a create that waits until Cromwell shows the workflow: the suite looks at once. What is in between is tested by itself. */
function settled(backend: Backend): Backend {
  return {
    ...backend,
    async create(job, prepared, call) {
      const ref = await backend.create(job, prepared, call)
      for (let tries = 0; tries < 200; tries++) {
        const [seen] = await backend.observe([ref], call)
        if (seen?.kind !== 'unknown') break
        await delay(50)
      }
      return ref
    },
  }
}
