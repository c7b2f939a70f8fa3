/** What happens to the engine by itself, or by others. */
import type { State } from '../../lib/jobs/types.ts'
import { COMPUTE, keyOf, specOf, type Scene } from './scene.ts'
import { exists, type EngineObject } from './sim-engine.ts'
import { MINUTE, SECOND } from './time.ts'

const LOSABLE: readonly State[] = ['submitting', 'pulling', 'submitted', 'running']

export class Weather {
  readonly #scene: Scene
  readonly #index: (follow: () => void) => void

  /** `index` has the table's indexes follow a change. */
  constructor(scene: Scene, index: (follow: () => void) => void) {
    this.#scene = scene
    this.#index = index
  }

  /** What happens to the engine by itself. */
  begin(): void {
    const random = this.#scene.random
    this.#scene.scheduler.after(random.spread(SECOND, 30 * SECOND), () => {
      if (this.#scene.faults.over) return
      this.begin()
      if (this.#scene.faults.happens('engine down', undefined, 0.3)) this.#outage()
      if (this.#scene.profile.crashes && this.#scene.faults.happens('controller crash', undefined, 2)) {
        const lost = this.#scene.engine.crash()
        for (const object of lost) this.#scene.judge.forgot(object)
        this.#scene.say(() => `engine: the controller crashes and has lost ${lost.length} jobs`)
      }
      this.#recordLost()
      const ours = this.#scene.engine.there.filter(({ owner }) => owner.deployment === this.#scene.table.deploymentId)
      if (ours.length === 0) return
      const object = random.pick(ours)
      const { jid } = object.owner
      if (object.phase === 'ended' && this.#scene.profile.forgets && this.#scene.faults.happens('forgets ended jobs', jid)) {
        this.#scene.say(() => `engine: forgets object ${object.serial}`)
        this.#scene.judge.forgot(object)
        object.phase = 'gone'
      } else if (exists(object) && this.#scene.faults.happens('deleted from outside', jid, 0.5)) this.#outside(object)
    })
  }

  /**
   * The table loses the record of a job that is with its holder or its engine. Not one that says what is to end: what was deleted could
   * then not be told from what is to go on.
   */
  #recordLost(): void {
    const { random, faults, table, jids, judge } = this.#scene
    const key = keyOf(random.pick(jids))
    const { job } = table.partition(key)
    if (job === undefined || !LOSABLE.includes(job.state) || job.previous.length > 0 || !faults.happens('record lost', key.jid, 0.3)) return
    this.#scene.say(() => `table: loses the record of ${job.engineName}, ${job.state}`)
    judge.vanished(job)
    table.lose(key, this.#index)
  }

  #outage(): void {
    if (this.#scene.engine.down) return
    const long = this.#scene.random.spread(SECOND, 40 * MINUTE)
    this.#scene.say(() => `engine: down for ${Math.round(long / 1000)} s`)
    this.#scene.engine.down = true
    this.#scene.scheduler.after(long, () => {
      this.#scene.engine.down = false
      this.#scene.say(() => 'engine: up again')
    })
  }

  #outside(object: EngineObject): void {
    this.#scene.say(() => `someone outside deletes object ${object.serial}, ${object.phase}`)
    this.#scene.judge.forgot(object)
    if (this.#scene.profile.keepsEnded) this.#scene.engine.stop(object, 'outside')
    else this.#scene.engine.drop(object, 'outside')
  }

  afterStart(object: EngineObject): void {
    const own = this.#scene.profile.runsTwice
    if (own === undefined || !this.#scene.faults.happens('runs twice by itself', object.owner.jid, 0.2)) return
    this.#scene.scheduler.after(this.#scene.random.spread(1, MINUTE), () => {
      if (object.phase !== 'running') return
      this.#scene.window(own)
      this.#scene.engine.start(object, 'window')
    })
  }

  /** Objects of others, some with our names. */
  foreign(): void {
    const owner = { deployment: 'another', compute: COMPUTE, jid: 'a', generation: 1, specHash: 'x' }
    const job = { engineName: 'a-foreign', owner, spec: specOf('x'), argv: [], env: [], limits: { cpu: 0, memory: 0, gpu: 0, time: 0 }, siteLabels: {} }
    this.#scene.engine.make(job, this.#scene.profile.nameOf(job.engineName, owner.deployment))
  }
}
