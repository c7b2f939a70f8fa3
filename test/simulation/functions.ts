/** The functions of the deployment: the real code, each call a process of its own, on a simulated store, engine and clock. */
import type { Backend } from '../../lib/backends/contract.ts'
import { PmanError } from '../../lib/errors.ts'
import { circuitBreaker, type Breaker } from '../../lib/jobs/breaker.ts'
import { cleanup } from '../../lib/jobs/cleanup.ts'
import type { ComputeSettings, Core } from '../../lib/jobs/core.ts'
import { dispatchJob } from '../../lib/jobs/dispatcher.ts'
import type { JobStore } from '../../lib/jobs/store.ts'
import type { JobKey } from '../../lib/jobs/types.ts'
import { Post } from './post.ts'
import { simBackend } from './driver.ts'
import type { BrokenDriver, EngineMoods, Wire } from './engines/profile.ts'
import { COMPUTE, type Scene } from './scene.ts'
import type { Process } from './scheduler.ts'
import { simStore, type BrokenStore } from './sim-store.ts'
import { MINUTE, SECOND } from './time.ts'

/** One rule of the real code that is broken on purpose. */
export interface Broken {
  driver?: BrokenDriver
  store?: Omit<BrokenStore, 'staleRead'> & { staleReads?: boolean }
  /** Wraps the store that the functions are given. */
  wrapStore?: (store: JobStore, core: () => Core) => JobStore
  /** Changes what one function is built on. */
  change?: (core: Core) => void
}

/** One instance of a function: what it keeps between two invocations. */
interface Container {
  breaker: Breaker
  firstSeen: Map<string, number>
}

export class Functions {
  /** How many are at work. */
  running = 0
  #names = 0
  readonly #scene: Scene
  readonly #settings: ComputeSettings
  readonly #broken: Broken | undefined
  readonly #post: Post
  readonly #containers: Container[]

  constructor(scene: Scene, settings: ComputeSettings, broken: Broken | undefined) {
    this.#scene = scene
    this.#settings = settings
    this.#broken = broken
    this.#post = new Post(scene, () => this.running--)
    this.#containers = [this.#container(), this.#container()]
  }

  /** Has the table's indexes follow a change. */
  index(follow: () => void): void {
    this.#post.follow(follow)
  }

  cleanup(which: number): void {
    const container = this.#scene.random.chance(0.9) ? (this.#containers[which] ?? this.#container()) : this.#container()
    this.spawn(
      'cleanup',
      async (core) => {
        const report = await cleanup(core, container.firstSeen)
        return () => `looked at ${report.looked}, failed ${report.failed}`
      },
      container,
    )
  }

  #container(): Container {
    return { breaker: circuitBreaker(this.#scene.timing, () => this.#scene.scheduler.now), firstSeen: new Map() }
  }

  #requestDispatch(key: JobKey): void {
    if (this.#scene.faults.happens('dispatch lost', key.jid)) return
    const times = this.#scene.faults.happens('dispatch twice', key.jid) ? 2 : 1
    for (let n = 0; n < times; n++) {
      this.#scene.scheduler.after(this.#scene.random.spread(1, this.#scene.random.chance(0.1) ? MINUTE : SECOND), () => {
        this.spawn(`dispatch ${key.jid}`, async (core) => {
          await dispatchJob(core, key)
          return () => 'done'
        })
      })
    }
  }

  /** Runs a function as a process of its own. `answer` is what its caller does with the answer, if that arrives. */
  spawn(what: string, work: (core: Core) => Promise<() => string>, container = this.#container()): void {
    const skew = this.#scene.faults.happens('clock skew', undefined, 5) ? this.#scene.random.between(-MINUTE, MINUTE) : 0
    const process: Process = { name: `${what} #${++this.#names}`, skew, alive: true, mishaps: 0, frozen: undefined }
    this.running++
    this.#scene.say(() => `${process.name}: begins${skew === 0 ? '' : `, its clock ${skew} ms ahead`}`)
    const core = this.#core(process, container)
    work(core)
      .then(
        (answer) => {
          const words = answer()
          this.#scene.say(() => `${process.name}: answers ${words}`)
        },
        (error: unknown) => this.#failed(process, error),
      )
      .finally(() => this.running--)
  }

  #failed(process: Process, error: unknown): void {
    this.#scene.say(() => `${process.name}: fails, ${String(error)}`)
    if (!(error instanceof PmanError)) this.#scene.judge.condemn('threw', `${process.name}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
  }

  #core(process: Process, container: Container): Core {
    const clock = (): number => this.#scene.scheduler.now + process.skew
    const { store: brokenStore, wrapStore, change } = this.#broken ?? {}
    const plain = simStore({
      table: this.#scene.table,
      timing: this.#scene.timing,
      clock,
      random: this.#scene.random.bytes,
      request: (request, effect) => this.#post.request(process, request, effect),
      changed: (before, after) => {
        const last = after.history.at(-1)
        if (last?.writeId === after.writeId) this.#scene.say(() => `table: ${after.engineName} "${last.write}" by ${process.name}: ${after.state}${after.reason === undefined ? '' : ` ${after.reason}`}`)
        this.#scene.judge.changed(before, after)
      },
      index: (follow) => this.#post.follow(follow),
      shortPage: () => this.#scene.faults.happens('short page', undefined, 3),
      broken: {
        ...brokenStore,
        staleRead: brokenStore?.staleReads === true ? (versions) => this.#scene.random.pick(versions) : undefined,
      },
    })
    const core: Core = {
      store: plain,
      computes: new Map([[COMPUTE, this.#settings]]),
      defaultCompute: COMPUTE,
      backend: async () => backend,
      deployment: async () => this.#scene.table.deploymentId ?? '',
      requestDispatch: async (key) => this.#requestDispatch(key),
      breaker: container.breaker,
      timing: this.#scene.timing,
      clock,
      timers: { after: (milliseconds, then) => this.#scene.scheduler.after(milliseconds, then, process) },
      random: this.#scene.random.bytes,
      log: (event, fields) => this.#scene.say(() => `${process.name}: ${event} ${typeof fields?.error === 'string' ? fields.error : ''}`),
    }
    const wire: Wire = (call, words, about, changes, effect) => this.#post.wire(process, call.signal, words, about, changes, effect)
    const driver = simBackend(this.#scene.profile, {
      engine: this.#scene.engine,
      wire,
      deployment: this.#scene.table.deploymentId ?? '',
      moods: this.#moods,
      broken: this.#broken?.driver ?? {},
    })
    const backend = this.#watched(driver, process)
    if (wrapStore !== undefined) core.store = wrapStore(plain, () => core)
    change?.(core)
    return core
  }

  /** The judge hears what each question about a job came to. */
  #watched(driver: Backend, process: Process): Backend {
    const { judge, scheduler } = this.#scene
    /** Engine names of what was found by name. */
    const names = new Map<string, string>()
    async function inVain<T>(engineName: string | undefined, ask: () => Promise<T>): Promise<T> {
      const begun = scheduler.now
      try {
        return await ask()
      } catch (error) {
        if (engineName !== undefined) judge.askedBy({ engineName }, begun, undefined, process)
        throw error
      }
    }
    return {
      ...driver,
      async observe(refs, call) {
        const begun = scheduler.now
        const seen = await driver.observe(refs, call)
        refs.forEach((ref, index) => judge.askedBy({ ref }, begun, call.signal.aborted ? undefined : seen[index], process))
        return seen
      },
      async find(engineName, call) {
        const found = await inVain(engineName, () => driver.find(engineName, call))
        for (const { ref } of found) names.set(ref, engineName)
        judge.askedBy({ engineName }, scheduler.now, found.length === 0 ? { kind: 'absent' } : { kind: 'inert' }, process)
        return found
      },
      remove: (ref, call) => inVain(names.get(ref), () => driver.remove(ref, call)),
    }
  }

  readonly #moods: EngineMoods = {
    refusesCreate: (job) => this.#scene.faults.happens('create refused', job.owner.jid, 0.3),
    refusesStart: (object) => {
      if (this.#scene.faults.happens('start refused', object.owner.jid)) object.refusesStart = this.#scene.random.chance(0.5)
      else if (!object.refusesStart || this.#scene.faults.over) return false
      return true
    },
    needsPreparation: (job) => this.#scene.faults.happens('needs preparation', job.owner.jid, 3),
    stalls: (object) => (this.#scene.faults.happens('start stalls', object.owner.jid, 0.3) ? this.#scene.random.spread(SECOND, 10 * MINUTE) : undefined),
    window: (name) => this.#scene.window(name),
  }
}
