import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import type { Backend, Call, EngineJob, EngineRef, Observation } from '../../../lib/backends/contract.ts'
import { engineName } from '../../../lib/jobs/naming.ts'
import { errorCode } from '../../../lib/backends/local/files.mjs'
import type { Mount } from '../../../lib/jobs/types.ts'
import type { BackendHarness, Ground } from './harness.ts'

/** What a trial asks for besides its script. */
export interface Wish {
  /** `$1`, `$2`, … of the script. */
  args?: readonly string[]
  env?: readonly string[]
  /** Seconds. */
  timeLimit?: number
  deployment?: string
  /** In place of the shell and the script. */
  argv?: readonly string[]
  /** Thousandths of a CPU; MiB; count. */
  cpu?: number
  memory?: number
  gpu?: number
  user?: { uid: number; gid: number }
  siteLabels?: Readonly<Record<string, string>>
  shmSizeMiB?: number
}

/** A job that counts its own runs, and what it has written to its output directory. */
export interface Trial {
  job: EngineJob
  runs: () => Promise<number>
  /** A file of the output directory; empty if it is not there. */
  output: (name: string) => Promise<Buffer>
  /** Makes a file in the output directory. */
  put: (name: string) => Promise<void>
}

export type Ended = Extract<Observation, { phase: 'ended' }>

export const call = (): Call => ({ signal: new AbortController().signal, deadline: Date.now() + 30_000, log: () => undefined })
const random = (count: number): Uint8Array => randomBytes(count)

/** The place where the suite makes its jobs, and the drivers that it tries. */
export class Bench {
  readonly deployment = `contract-${randomBytes(6).toString('hex')}`
  readonly #harness: BackendHarness
  readonly #made: { backend: Backend; ref: EngineRef }[] = []
  #ground: Ground | undefined
  #backend: Backend | undefined

  constructor(harness: BackendHarness) {
    this.#harness = harness
  }

  async setUp(): Promise<void> {
    this.#ground = await this.#harness.setUp()
    this.#backend = this.#ground.open(this.deployment)
  }

  async tearDown(): Promise<void> {
    await this.#ground?.tearDown()
  }

  /** Another deployment in the same place: its jobs are its own to clear. */
  beside(): Bench {
    const other = new Bench(this.#harness)
    other.#ground = this.ground
    other.#backend = this.ground.open(other.deployment)
    return other
  }

  get ground(): Ground {
    if (this.#ground === undefined) throw new Error('the bench is not set up')
    return this.#ground
  }

  get backend(): Backend {
    if (this.#backend === undefined) throw new Error('the bench is not set up')
    return this.#backend
  }

  /** A job that runs a shell script with `/share/incoming` and `/share/outgoing`. */
  async trial(script: string, wish: Wish = {}): Promise<Trial> {
    const { args = [], env = [], timeLimit = 0, deployment = this.deployment, argv, user, siteLabels = {}, shmSizeMiB } = wish
    const { cpu = 0, memory = 0, gpu = 0 } = wish
    const name = engineName('contract', random)
    const out = `${name}/out`
    for (const directory of [`${name}/in`, out].map((path) => join(this.ground.storebase, path))) {
      await mkdir(directory, { recursive: true })
      // An engine's jobs may be another user's, and the umask is not asked.
      await chmod(directory, 0o777)
    }
    const words = argv ?? ['sh', '-c', `echo run >>/share/outgoing/runs\n${script}`, 'sh', ...args]
    const mounts: Mount[] = [
      { field: 'input_dir', source: `${name}/in`, target: '/share/incoming', readOnly: true },
      { field: 'output_dir', source: out, target: '/share/outgoing', readOnly: false },
    ]
    const limits = { workers: 1, cpuLimit: cpu, memoryLimit: memory, gpuLimit: gpu, timeLimit }
    const spec = { image: this.ground.image, entrypoint: [...words], args: [], env: [...env], mounts, ...limits, auid: 'contract' }
    const output = (file: string): Promise<Buffer> =>
      readFile(join(this.ground.storebase, out, file)).catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return Buffer.alloc(0)
        throw error
      })
    return {
      job: {
        engineName: name,
        owner: { deployment, compute: 'contract', jid: `jid of ${name}`, generation: 3, specHash: 'a1b2c3' },
        spec,
        argv: words,
        env,
        limits: { cpu, memory, gpu, time: timeLimit },
        user,
        siteLabels,
        shmSizeMiB,
      },
      output,
      put: (file) => writeFile(join(this.ground.storebase, out, file), ''),
      runs: async () => (await output('runs')).toString().split('\n').filter((line) => line === 'run').length,
    }
  }

  /** Makes the job, unable to run; it is removed after the test. */
  async create(trial: Trial, backend: Backend = this.backend): Promise<EngineRef> {
    const prepared = await backend.prepare?.(trial.job, call())
    const ref = await backend.create(trial.job, prepared, call())
    this.#made.push({ backend, ref })
    return ref
  }

  /** Makes the job and releases it. */
  async start(trial: Trial): Promise<EngineRef> {
    const ref = await this.create(trial)
    await this.backend.release(ref, 1, call())
    return ref
  }

  /** Runs the job to its end. */
  async run(trial: Trial): Promise<{ ref: EngineRef; end: Ended }> {
    const ref = await this.start(trial)
    return { ref, end: await this.end(ref) }
  }

  async look(ref: EngineRef, backend: Backend = this.backend): Promise<Observation> {
    const [seen, ...more] = await backend.observe([ref], call())
    if (seen === undefined || more.length > 0) throw new Error('observe answers for as many as it was asked')
    return seen
  }

  async end(ref: EngineRef): Promise<Ended> {
    return this.until(() => this.look(ref), (seen): seen is Ended => seen.kind === 'state' && seen.phase === 'ended')
  }

  /** Asks again until the answer is right, or the engine has had its time. */
  async until<T, U extends T>(ask: () => Promise<T>, right: (answer: T) => answer is U): Promise<U>
  async until<T>(ask: () => Promise<T>, right: (answer: T) => boolean): Promise<T>
  async until<T>(ask: () => Promise<T>, right: (answer: T) => boolean): Promise<T> {
    const until = Date.now() + this.#harness.patience
    for (;;) {
      const answer = await ask()
      if (right(answer)) return answer
      if (Date.now() > until) throw new Error(`still ${JSON.stringify(answer)} after ${this.#harness.patience} ms`)
      await delay(Math.min(100, this.backend.pollInterval))
    }
  }

  /** Until the script has written this file. */
  async written(trial: Trial, name: string): Promise<void> {
    await this.until(() => trial.output(name), (content) => content.length > 0)
  }

  /** Asks to stop or to remove until it is done. */
  async gone(act: 'stop' | 'remove', ref: EngineRef, backend: Backend = this.backend): Promise<void> {
    await this.until(() => backend[act](ref, call()), (answer) => answer === 'gone')
  }

  /** Long enough for something that must not happen. */
  async watch(): Promise<void> {
    await delay(this.#harness.watch)
  }

  /** How often the job has run, once it has had the time to run again. */
  async runsAfterAll(trial: Trial): Promise<number> {
    await this.watch()
    return trial.runs()
  }

  async clear(): Promise<void> {
    for (const { backend, ref } of this.#made.splice(0)) await this.gone('remove', ref, backend)
  }
}

/** The refusal that a call ends in; throws if it does not end in one. */
export async function refusal(promise: Promise<unknown>): Promise<EngineRejected> {
  const outcome: unknown = await promise.then(() => 'nothing was refused', (error: unknown) => error)
  if (outcome instanceof EngineRejected) return outcome
  throw outcome instanceof Error ? outcome : new Error(String(outcome))
}
