import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { NeedsPreparation, type Backend, type Call, type Found } from '../../../lib/backends/contract.ts'
import { circuitBreaker } from '../../../lib/jobs/breaker.ts'
import { cleanup } from '../../../lib/jobs/cleanup.ts'
import { systemTimers, type ComputeSettings, type Core } from '../../../lib/jobs/core.ts'
import { dispatchJob } from '../../../lib/jobs/dispatcher.ts'
import { dynamoStore } from '../../../lib/jobs/dynamodb.ts'
import type { KillPoint } from '../../../lib/jobs/kill-points.ts'
import { jobService, type JobService } from '../../../lib/jobs/service.ts'
import { DEFAULT_TIMING, type Timing } from '../../../lib/jobs/timing.ts'
import type { JobKey, JobRecord, JobSpec, Principal } from '../../../lib/jobs/types.ts'
import { faulty, type FaultyBackend } from '../../support/faults.ts'
import { spec } from '../../support/records.ts'
import { MORTALS, type Mortal } from './mortals.ts'

export const CLIENT: Principal = { name: 'client', scopes: ['read', 'write'] }
export const KEY: JobKey = { compute: 'here', jid: 'job' }

/** What outlives every process of a deployment: its table, and a directory with the engine's folders and the storebase. */
export interface Place {
  url: string
  table: string
  root: string
  /** Which engine it has, by its name in `mortals.ts`. */
  engine: string
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
  /** A job that writes down, for each run, a word and the engine object that it runs as, then does what the shell script says. */
  job: (word: string, script: string) => JobSpec
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

const COMPUTE: Omit<ComputeSettings, 'type'> = {
  name: KEY.compute,
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
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const client = new DynamoDBClient({ region: 'us-east-1', endpoint: place.url, credentials })
  const store = dynamoStore({ client, table: place.table, timing, clock: Date.now, random: randomBytes })
  const deployment = await store.deployment()
  const mortal = mortalOf(place)
  const real = mortal.open(place, KEY.compute, deployment)
  const engine = faulty(variant.prepares === true ? preparing(real) : real)
  let dispatched: Promise<void> | undefined
  const core: Core = {
    store,
    computes: new Map([[KEY.compute, { ...COMPUTE, type: place.engine }]]),
    defaultCompute: KEY.compute,
    backend: () => Promise.resolve(engine),
    deployment: () => Promise.resolve(deployment),
    // as on Lambda: whoever asks does not wait for it; one at a time, or they pile up on a machine under load
    requestDispatch: async (key) => void (dispatched ??= dispatchJob(core, key).finally(() => (dispatched = undefined))),
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
    job: (word, script) => tracedJob(mortal, word, script),
    cleanup: () => cleanup(core, firstSeen),
    async held() {
      const found: Found[] = []
      for await (const one of real.list(call())) found.push(one)
      return found
    },
    async close() {
      await dispatched
      client.destroy()
    },
  }
}

/** An engine that makes nothing before it has prepared, and takes what it has prepared from the record alone. */
function preparing(real: Backend): Backend {
  return {
    ...real,
    prepare: () => Promise.resolve(PREPARED),
    async create(job, prepared, at) {
      if (prepared !== PREPARED) throw new NeedsPreparation('no image')
      return real.create(job, undefined, at)
    },
  }
}

export const call = (): Call => ({ signal: new AbortController().signal, deadline: Number.POSITIVE_INFINITY, log: () => undefined })

function tracedJob({ image, self }: Mortal, word: string, script: string): JobSpec {
  return spec({
    image,
    entrypoint: ['/bin/sh', '-c', `echo "${word} ${self}" >> /share/outgoing/runs\n${script}`],
    args: [],
    mounts: [
      { field: 'input_dir', source: 'in', target: '/share/incoming', readOnly: true },
      { field: 'output_dir', source: 'out', target: '/share/outgoing', readOnly: false },
    ],
  })
}

/** The runs there have been: of what, and as which engine object, in the word that `objectOf` has for a record's. */
export function runsOf(place: Place): { word: string; object: string }[] {
  const lines = read(join(place.root, 'data', 'out', 'runs')).split('\n').filter((line) => line !== '')
  return lines.map((line) => {
    const [word = '', self = ''] = line.split(' ')
    return { word, object: mortalOf(place).objectIn(self) }
  })
}

export const objectOf = (place: Place, record: JobRecord): string => mortalOf(place).objectOf(record)

export function mortalOf({ engine }: Pick<Place, 'engine'>): Mortal {
  const mortal = MORTALS[engine]
  if (mortal === undefined) throw new Error(`there is no engine "${engine}"`)
  return mortal
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
