/** One seed: a table, an engine, clients, functions and what goes wrong between them; run until all is at rest, and judged at each step. */
import type { ComputeSettings } from '../../lib/jobs/core.ts'
import { Clients } from './clients.ts'
import type { Timing } from '../../lib/jobs/timing.ts'
import { Faults, type FaultKind } from './faults.ts'
import { Functions, type Broken } from './functions.ts'
import { Judge, type Invariant, type Violation } from './judge.ts'
import { PROFILES } from './profiles.ts'
import { Random } from './random.ts'
import { keyOf, LATEST_CALL, RUNS, settingsOf, SIGNED_FOR, timingOf, type Scene } from './scene.ts'
import { Scheduler } from './scheduler.ts'
import { SimEngine, type Witness } from './sim-engine.ts'
import { Table } from './sim-store.ts'
import { HOUR, MINUTE } from './time.ts'
import { Weather } from './weather.ts'
import { timedWork } from './work.ts'

export interface WorldOptions {
  seed: number
  profile?: string | undefined
  broken?: Broken | undefined
  calm?: boolean | undefined
  steer?: Steer | undefined
  excused?: ReadonlySet<Invariant> | undefined
  say?: ((line: string) => void) | undefined
}

/** Makes frequent what is rare by chance; all else stays as the seed has it. */
export interface Steer {
  rates?: Partial<Record<FaultKind, number>>
  timing?: Partial<Timing>
  /** Shortest and longest run of a job, in milliseconds. */
  run?: readonly [number, number]
}

export interface Outcome {
  seed: number
  profile: string
  violation: Violation | undefined
  steps: number
  starts: number
  adoptions: number
  ends: Record<string, number>
  windows: Record<string, number>
  faults: Record<string, Record<string, number>>
}

export async function runWorld(options: WorldOptions): Promise<Outcome> {
  return new World(options).run()
}

class World {
  readonly #options: WorldOptions
  readonly #scene: Scene
  readonly #settings: ComputeSettings
  readonly #functions: Functions
  readonly #clients: Clients
  readonly #weather: Weather
  readonly #windows = new Map<string, number>()
  readonly #begun: number

  constructor(options: WorldOptions) {
    this.#options = options
    const random = new Random(options.seed)
    const scheduler = new Scheduler(random)
    const table = new Table()
    const timing = { ...timingOf(random), ...options.steer?.timing }
    const faults = new Faults(random, options.calm, options.steer?.rates)
    const drawn = random.pick(PROFILES)
    const profile = PROFILES.find(({ name }) => name === options.profile) ?? drawn
    const asked = new Set<string>()
    const deployment = 'deployment-1'
    table.deploymentId = deployment
    this.#begun = scheduler.now
    this.#settings = settingsOf(random.chance(0.8))
    const judge = new Judge({
      table,
      timing,
      deployment,
      stopDeletes: profile.behaviour.stopDeletes,
      refOf: (object) => profile.refOf(object),
      now: () => scheduler.now,
      askedToCancel: asked,
      excused: options.excused ?? new Set(),
    })
    const witness: Witness = {
      started: (object, how) => {
        this.#say(() => `engine: object ${object.serial} of ${object.engineName} starts${how === 'window' ? ' (window)' : ''}`)
        judge.started(object, how)
        this.#weather.afterStart(object)
      },
      touched: (object, how) => {
        this.#say(() => `engine: object ${object.serial} of ${object.engineName}, ${object.phase}, is stopped or removed by us${how === 'window' ? ' (window)' : ''}`)
        judge.touched(object, how)
      },
    }
    const run = random.pick(RUNS)
    const work = timedWork(scheduler, random, { run: options.steer?.run ?? run, grace: profile.behaviour.grace })
    const engine = new SimEngine(scheduler, random, witness, profile.behaviour, work)
    faults.stateOf = (jid) => (jid === undefined ? '-' : (table.partition(keyOf(jid)).job?.state ?? 'none'))
    const jids = ['a', 'b', 'c'].slice(0, random.between(1, 3))
    const say = (line: () => string): void => this.#say(line)
    const window = (name: string): void => this.#window(name)
    this.#scene = { random, scheduler, faults, timing, profile, engine, judge, table, jids, asked, say, window }
    this.#functions = new Functions(this.#scene, this.#settings, options.broken)
    this.#clients = new Clients(this.#scene, (what, work) => this.#functions.spawn(what, work))
    this.#weather = new Weather(this.#scene, (follow) => this.#functions.index(follow))
  }

  #say(line: () => string): void {
    if (this.#options.say === undefined) return
    const seconds = ((this.#scene.scheduler.now - this.#begun) / 1000).toFixed(3)
    this.#options.say(`${seconds.padStart(10)} ${line()}`)
  }

  #window(name: string): void {
    this.#windows.set(name, (this.#windows.get(name) ?? 0) + 1)
    this.#say(() => `window: ${name}`)
  }

  async run(): Promise<Outcome> {
    const { random, scheduler, faults, profile, engine, judge, timing, jids } = this.#scene
    this.#say(() => `seed ${this.#options.seed}, engine ${profile.name}, REMOVE_JOBS=${this.#settings.removeJobs ? 'yes' : 'no'}`)
    for (const jid of jids) this.#clients.plan(keyOf(jid))
    this.#weather.foreign()
    this.#weather.begin()
    this.#tick()
    await this.#until(this.#begun + this.#clients.lastMoment + random.spread(MINUTE, 15 * MINUTE))
    faults.end()
    engine.down = false
    this.#say(() => 'nothing more goes wrong; calls that are late still arrive')
    await this.#until(scheduler.now + LATEST_CALL + SIGNED_FOR)
    // from here on cleanup alone must bring all to rest, within what its deadlines allow
    const bound = scheduler.now + timing.unreachableAfter + timing.runLimit + timing.startWithin + 3 * timing.retention + 2 * HOUR
    while (judge.violation === undefined && scheduler.now < bound && !this.#isQuiet()) await this.#until(scheduler.now + 5 * MINUTE)
    if (!this.#isQuiet()) judge.condemn('stuck', this.#unrest().join('; ') || 'the index still holds work')
    return this.#outcome()
  }

  #unrest(): string[] {
    const { judge, engine, profile } = this.#scene
    return judge.unrest(engine.objects, profile.keepsEnded || !this.#settings.removeJobs, !profile.labels)
  }

  #isQuiet(): boolean {
    return this.#unrest().length === 0 && (!this.#settings.removeJobs || this.#scene.table.work.size === 0)
  }

  async #until(time: number): Promise<void> {
    const { judge, scheduler } = this.#scene
    while (judge.violation === undefined && (await scheduler.step(time)));
    if (judge.violation === undefined) scheduler.now = Math.max(scheduler.now, time)
  }

  #tick(): void {
    const { faults, scheduler } = this.#scene
    this.#functions.cleanup(0)
    if (faults.happens('cleanup twice', undefined, 5)) this.#functions.cleanup(1)
    scheduler.after(this.#untilNextTick(), () => this.#tick())
  }

  /** Each minute; where nothing at all is due, that many minutes are left out at once. */
  #untilNextTick(): number {
    const { faults, scheduler, table } = this.#scene
    if (!faults.over || this.#functions.running > 1) return MINUTE
    const due = Math.min(scheduler.now + 5 * MINUTE, ...table.work.values())
    return Math.max(1, Math.ceil((due - scheduler.now) / MINUTE)) * MINUTE
  }

  #outcome(): Outcome {
    const { judge, profile, scheduler, faults } = this.#scene
    const generations = [...judge.generations.values()].filter(({ record }) => record !== undefined)
    const ends: Record<string, number> = {}
    for (const { record, vanished } of generations) {
      const end = record === undefined || vanished ? 'record lost' : record.state === 'deleted' ? 'deleted' : `${record.state} ${record.reason ?? ''}`.trim()
      ends[end] = (ends[end] ?? 0) + 1
    }
    const { violation } = judge
    if (violation !== undefined) this.#say(() => `VIOLATION ${violation.message}`)
    return {
      seed: this.#options.seed,
      profile: profile.name,
      violation,
      steps: scheduler.steps,
      starts: generations.reduce((sum, { starts }) => sum + starts, 0),
      adoptions: judge.adoptions,
      ends,
      windows: Object.fromEntries(this.#windows),
      faults: Object.fromEntries([...faults.counts].map(([state, row]) => [state, Object.fromEntries(row)])),
    }
  }
}
