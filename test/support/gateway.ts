import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend } from '../../lib/backends/contract.ts'
import { local } from '../../lib/backends/local/index.ts'
import { circuitBreaker } from '../../lib/jobs/breaker.ts'
import { cleanup, type CleanupReport } from '../../lib/jobs/cleanup.ts'
import { systemTimers, type ComputeSettings, type Core } from '../../lib/jobs/core.ts'
import { dispatchJob } from '../../lib/jobs/dispatcher.ts'
import { dynamoStore } from '../../lib/jobs/dynamodb.ts'
import { jobService, type JobService } from '../../lib/jobs/service.ts'
import { DEFAULT_TIMING, type Timing } from '../../lib/jobs/timing.ts'
import type { JobKey, JobRecord, JobSpec, Principal } from '../../lib/jobs/types.ts'
import { testDynamoDb } from './dynamodb.ts'
import { faulty, type FaultyBackend } from './faults.ts'
import { spec } from './records.ts'

export const ANYONE: Principal = { name: 'tester', scopes: ['read', 'write'] }

/** The service on a real table and the real local engine, in this process, with a clock that can be put forward. */
export interface Gateway {
  service: JobService
  core: Core
  engine: FaultyBackend
  /** Lines of the log, newest last. */
  lines: { event: string; fields: Record<string, unknown> | undefined }[]
  /** Milliseconds by which the service's clock is ahead. */
  ahead: number
  /** Whether a dispatch that is asked for takes place at once, within the call; otherwise it is lost. */
  dispatches: boolean
  cleanup(): Promise<CleanupReport>
  key(): JobKey
  /** A job that counts its runs in its output directory, then goes on as the shell script says. */
  script(key: JobKey, text: string, more?: Partial<JobSpec>): JobSpec
  /** How often the job of this key has run. */
  runs(key: JobKey): number
  output(key: JobKey, file: string): string
  /** Makes a file in the job's output directory. */
  put(key: JobKey, file: string): void
  record(key: JobKey): Promise<JobRecord | undefined>
  /** Polls the status until the job is in one of these states. */
  until(key: JobKey, ...states: JobRecord['state'][]): Promise<JobRecord>
  stop(): Promise<void>
}

/** Another engine than `local`: its driver, for one deployment over one storebase. */
export interface OtherEngine {
  type: string
  image: string
  open(deployment: string, storebase: string): Backend
}

export async function testGateway(settings: Partial<ComputeSettings> = {}, timing: Partial<Timing> = {}, other?: OtherEngine): Promise<Gateway> {
  const root = mkdtempSync(join(tmpdir(), 'pman-test-'))
  const storebase = join(root, 'data')
  mkdirSync(storebase)
  const db = await testDynamoDb()
  const times = { ...DEFAULT_TIMING, requestBudget: 4000, breakerFor: 50, backoffLeast: 50, ...timing }
  const lines: Gateway['lines'] = []
  const clock = (): number => Date.now() + gateway.ahead
  const store = dynamoStore({ client: db.client(), table: await db.table(), timing: times, clock, random: randomBytes })
  const deployment = await store.deployment()
  const real: Backend =
    other?.open(deployment, storebase) ??
    local.open({
      compute: 'here',
      deployment,
      host: 'machine',
      storage: { type: 'host', storebase },
      options: { directory: join(root, 'jobs'), killGrace: 300 },
      credentials: () => Promise.resolve(undefined),
    })
  const engine = faulty(real)
  const compute: ComputeSettings = {
    name: 'here',
    type: other?.type ?? 'local',
    storage: { type: 'host' },
    homeWorkaround: false,
    labels: {},
    logsTail: 1000,
    ignoreLimits: false,
    removeJobs: true,
    defaults: { cpuLimit: 0, memoryLimit: 0, gpuLimit: 0 },
    ...settings,
  }
  const core: Core = {
    store,
    computes: new Map([['here', compute]]),
    defaultCompute: 'here',
    backend: () => Promise.resolve(engine),
    deployment: () => Promise.resolve(deployment),
    requestDispatch: (key) => (gateway.dispatches ? dispatchJob(core, key) : Promise.resolve()),
    breaker: circuitBreaker(times, clock),
    timing: times,
    clock,
    timers: systemTimers,
    random: randomBytes,
    log: (event, fields) => lines.push({ event, fields }),
  }
  const service = jobService(core)
  const firstSeen = new Map<string, number>()
  let count = 0
  const folder = (key: JobKey): string => key.jid.replace(/[^a-zA-Z0-9]/g, '_')

  const gateway: Gateway = {
    service,
    core,
    engine,
    lines,
    ahead: 0,
    cleanup: () => cleanup(core, firstSeen),
    dispatches: false,
    key: () => ({ compute: 'here', jid: `job-${++count}` }),
    script(key, text, more = {}) {
      const [input, output] = [`${folder(key)}/in`, `${folder(key)}/out`]
      for (const name of [input, output]) {
        mkdirSync(join(storebase, name), { recursive: true })
        // an engine's jobs may be another user's
        if (other !== undefined) chmodSync(join(storebase, name), 0o777)
      }
      return spec({
        ...(other === undefined ? {} : { image: other.image }),
        entrypoint: ['/bin/sh', '-c', `echo run >> /share/outgoing/runs\n${text}`],
        args: [],
        mounts: [
          { field: 'input_dir', source: input, target: '/share/incoming', readOnly: true },
          { field: 'output_dir', source: output, target: '/share/outgoing', readOnly: false },
        ],
        ...more,
      })
    },
    runs: (key) => read(join(storebase, folder(key), 'out', 'runs')).split('\n').filter((line) => line === 'run').length,
    output: (key, file) => read(join(storebase, folder(key), 'out', file)),
    put: (key, file) => writeFileSync(join(storebase, folder(key), 'out', file), ''),
    record: (key) => store.read(key),
    async until(key, ...states) {
      for (let tries = 0; tries < 400; tries++) {
        const { record } = await service.status(ANYONE, key)
        if (states.includes(record.state)) return record
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      throw new Error(`job ${key.jid} did not become ${states.join(' or ')}: ${JSON.stringify(await store.read(key))}`)
    },
    async stop() {
      engine.mend()
      const call = () => ({ signal: AbortSignal.timeout(60_000), deadline: Date.now() + 60_000, log: () => undefined })
      for await (const { ref } of real.list(call())) while ((await real.remove(ref, call())) === 'going');
      await db.stop()
      rmSync(root, { recursive: true, force: true })
    },
  }
  return gateway
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
