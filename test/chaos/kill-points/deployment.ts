import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { NeedsPreparation, type Backend, type Call, type Found } from '../../../lib/backends/contract.ts'
import { local } from '../../../lib/backends/local/index.ts'
import { circuitBreaker } from '../../../lib/jobs/breaker.ts'
import { cleanup } from '../../../lib/jobs/cleanup.ts'
import { systemTimers, type ComputeSettings, type Core } from '../../../lib/jobs/core.ts'
import { dispatchJob } from '../../../lib/jobs/dispatcher.ts'
import { dynamoStore } from '../../../lib/jobs/dynamodb.ts'
import type { KillPoint } from '../../../lib/jobs/kill-points.ts'
import { jobService, type JobService } from '../../../lib/jobs/service.ts'
import { DEFAULT_TIMING, type Timing } from '../../../lib/jobs/timing.ts'
import type { JobKey, JobSpec, Principal } from '../../../lib/jobs/types.ts'
import { faulty, type FaultyBackend } from '../../support/faults.ts'
import { spec } from '../../support/records.ts'

export const CLIENT: Principal = { name: 'client', scopes: ['read', 'write'] }
export const KEY: JobKey = { compute: 'here', jid: 'job' }

/** What outlives every process of a deployment: its table, and a directory with the engine's folders and the storebase. */
export interface Place {
  url: string
  table: string
  root: string
}

export interface Variant {
  timing?: Partial<Timing> | undefined
  /** The engine must prepare before it creates. */
  prepares?: boolean | undefined
}

/** One process's view of a deployment: any number of them may be opened on the same place. */
export interface Deployment {
  core: Core
  service: JobService
  engine: FaultyBackend
  cleanup(): Promise<unknown>
  /** Everything that the engine holds. */
  held(): Promise<Found[]>
  /** Waits for what was dispatched, and throws what it threw. */
  close(): Promise<void>
}

/** Short enough that whatever a process leaves behind is taken up within a second. */
const TIMING: Timing = {
  ...DEFAULT_TIMING,
  requestBudget: 5_000,
  lease: 300,
  dispatchBudget: 10_000,
  backoffLeast: 20,
  backoffGreatest: 200,
  reconcileAfter: 50,
  sweepEvery: 50,
  leftoverGrace: 300,
  breakerFor: 50,
}

const COMPUTE: ComputeSettings = {
  name: KEY.compute,
  type: 'local',
  storage: { type: 'host' },
  homeWorkaround: false,
  labels: {},
  logsTail: 1000,
  ignoreLimits: false,
  removeJobs: true,
  defaults: { cpuLimit: 0, memoryLimit: 0, gpuLimit: 0 },
}

const PREPARED = '{"digest":"x"}'

export async function openDeployment(place: Place, variant: Variant, reached: (point: KillPoint) => void): Promise<Deployment> {
  const timing = { ...TIMING, ...variant.timing }
  const client = new DynamoDBClient({ region: 'us-east-1', endpoint: place.url, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } })
  const store = dynamoStore({ client, table: place.table, timing, clock: Date.now, random: randomBytes })
  const deployment = await store.deployment()
  const real = local.open({
    compute: KEY.compute,
    deployment,
    host: 'machine',
    storage: { type: 'host', storebase: join(place.root, 'data') },
    options: { directory: join(place.root, 'jobs'), killGrace: 1_500 },
    credentials: () => Promise.resolve(undefined),
  })
  const engine = faulty(variant.prepares === true ? preparing(real) : real)
  const dispatched: Promise<void>[] = []
  const core: Core = {
    store,
    computes: new Map([[KEY.compute, COMPUTE]]),
    defaultCompute: KEY.compute,
    backend: () => Promise.resolve(engine),
    deployment: () => Promise.resolve(deployment),
    // as on Lambda: whoever asks does not wait for it
    requestDispatch: async (key) => void dispatched.push(dispatchJob(core, key)),
    breaker: circuitBreaker(timing, Date.now),
    timing,
    clock: Date.now,
    timers: systemTimers,
    random: randomBytes,
    log: () => undefined,
    reached,
  }
  const firstSeen = new Map<string, number>()
  return {
    core,
    service: jobService(core),
    engine,
    cleanup: () => cleanup(core, firstSeen),
    async held() {
      const found: Found[] = []
      for await (const one of real.list(call())) found.push(one)
      return found
    },
    async close() {
      await Promise.all(dispatched)
      client.destroy()
    },
  }
}

/** An engine that makes nothing before it has prepared, and takes what it has prepared from the record alone. */
function preparing(real: Backend): Backend {
  return {
    ...real,
    prepare: () => Promise.resolve(PREPARED),
    create: (job, prepared, at) => (prepared === PREPARED ? real.create(job, prepared, at) : Promise.reject(new NeedsPreparation('no image'))),
  }
}

export const call = (): Call => ({ signal: new AbortController().signal, deadline: Number.POSITIVE_INFINITY, log: () => undefined })

/** A job that writes down, for each run, a word and the engine object that it runs as, then does what the shell script says. */
export const job = (word: string, script: string): JobSpec =>
  spec({
    entrypoint: ['/bin/sh', '-c', `echo "${word} $(pwd)" >> /share/outgoing/runs\n${script}`],
    args: [],
    mounts: [
      { field: 'input_dir', source: 'in', target: '/share/incoming', readOnly: true },
      { field: 'output_dir', source: 'out', target: '/share/outgoing', readOnly: false },
    ],
  })

/** The runs there have been: of what, and as which engine object. */
export function runsOf({ root }: Place): { word: string; engineName: string }[] {
  const lines = read(join(root, 'data', 'out', 'runs')).split('\n').filter((line) => line !== '')
  return lines.map((line) => {
    const [word = '', path = ''] = line.split(' ')
    return { word, engineName: path.split('/').at(-2)?.split('.')[0] ?? '' }
  })
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
