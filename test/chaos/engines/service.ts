import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Backend } from '../../../lib/backends/contract.ts'
import { circuitBreaker } from '../../../lib/jobs/breaker.ts'
import { cleanup } from '../../../lib/jobs/cleanup.ts'
import { systemTimers, type Core } from '../../../lib/jobs/core.ts'
import { dispatchJob } from '../../../lib/jobs/dispatcher.ts'
import { dynamoStore } from '../../../lib/jobs/dynamodb.ts'
import { jobService, type JobService } from '../../../lib/jobs/service.ts'
import { DEFAULT_TIMING, type Timing } from '../../../lib/jobs/timing.ts'
import type { JobKey, JobRecord, JobSpec } from '../../../lib/jobs/types.ts'
import { testDynamoDb } from '../../support/dynamodb.ts'
import { spec } from '../../support/records.ts'

/** The whole service on a table of its own, with a real driver. */
export interface Served {
  service: JobService
  deployment: string
  record(key: JobKey): Promise<JobRecord | undefined>
  cleanup(): Promise<unknown>
  /** A job that counts its runs in its output directory, then goes on as the shell script says. */
  job: (key: JobKey, script: string) => Promise<JobSpec>
  /** How often the job of this key has run. */
  runs(key: JobKey): number
  /** Events of the service's log. */
  events: string[]
  close(): Promise<void>
}

const TIMING: Timing = {
  ...DEFAULT_TIMING,
  requestBudget: 6_000,
  callWithin: 5_000,
  lease: 500,
  dispatchBudget: 20_000,
  // what fails here fails by chance, again and again
  dispatchTries: 1_000,
  backoffLeast: 20,
  backoffGreatest: 200,
  reconcileAfter: 100,
  sweepEvery: 500,
  leftoverGrace: 1_000,
  breakerFor: 50,
}

export const COMPUTE = 'there'

/** `open` makes the driver once the deployment's id is known. */
export async function serve(
  { type, image, storebase }: { type: string; image: string; storebase: string },
  open: (deployment: string) => Backend,
): Promise<Served> {
  const db = await testDynamoDb()
  const store = dynamoStore({ client: db.client(), table: await db.table(), timing: TIMING, clock: Date.now, random: randomBytes })
  const deployment = await store.deployment()
  const backend = open(deployment)
  const dispatched = new Map<string, Promise<void>>()
  const firstSeen = new Map<string, number>()
  const events: string[] = []
  const core: Core = {
    store,
    computes: new Map([
      [
        COMPUTE,
        {
          name: COMPUTE,
          type,
          storage: { type: 'host' },
          homeWorkaround: false,
          labels: {},
          logsTail: 1000,
          ignoreLimits: false,
          removeJobs: true,
          defaults: { cpuLimit: 0, memoryLimit: 0, gpuLimit: 0 },
        },
      ],
    ]),
    defaultCompute: COMPUTE,
    backend: () => Promise.resolve(backend),
    deployment: () => Promise.resolve(deployment),
    // as on Lambda: whoever asks does not wait for it
    async requestDispatch(key) {
      const { jid } = key
      if (!dispatched.has(jid)) dispatched.set(jid, dispatchJob(core, key).finally(() => dispatched.delete(jid)))
    },
    breaker: circuitBreaker(TIMING, Date.now),
    timing: TIMING,
    clock: Date.now,
    timers: systemTimers,
    random: randomBytes,
    log: (event) => void events.push(event),
  }
  const folder = ({ jid }: JobKey): string => join(storebase, jid)
  return {
    service: jobService(core),
    deployment,
    record: (key) => store.read(key),
    cleanup: () => cleanup(core, firstSeen),
    async job(key, script) {
      for (const name of ['in', 'out']) {
        await mkdir(join(folder(key), name), { recursive: true })
        // jobs may be another user's
        await chmod(join(folder(key), name), 0o777)
      }
      return spec({
        image,
        entrypoint: ['sh', '-c', `echo run >> /share/outgoing/runs\n${script}`],
        args: [],
        mounts: [
          { field: 'input_dir', source: `${key.jid}/in`, target: '/share/incoming', readOnly: true },
          { field: 'output_dir', source: `${key.jid}/out`, target: '/share/outgoing', readOnly: false },
        ],
      })
    },
    runs: (key) => read(join(folder(key), 'out', 'runs')).split('\n').filter((line) => line === 'run').length,
    events,
    async close() {
      await Promise.all(dispatched.values())
      await db.stop()
    },
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
