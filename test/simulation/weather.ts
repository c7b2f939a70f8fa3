/** What happens to the engine by itself, or by others. */
import { COMPUTE, MINUTE, SECOND, specOf, type Scene } from './scene.ts'
import { exists, type EngineObject } from './sim-engine.ts'

export class Weather {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** What happens to the engine by itself. */
  begin(): void {
    const random = this.#scene.random
    this.#scene.scheduler.after(random.spread(SECOND, 30 * SECOND), () => {
      if (this.#scene.faults.over) return
      this.begin()
      if (this.#scene.faults.happens('engine down', undefined, 0.3)) this.#outage()
      if (this.#scene.profile.name === 'slurm' && this.#scene.faults.happens('controller crash', undefined, 2)) {
        const lost = this.#scene.engine.crash()
        for (const object of lost) this.#scene.judge.forgot(object)
        this.#scene.say(() => `engine: the controller crashes and has lost ${lost.length} jobs`)
      }
      const ours = this.#scene.engine.there.filter(({ owner }) => owner.deployment === this.#scene.table.deploymentId)
      if (ours.length === 0) return
      const object = random.pick(ours)
      const { jid } = object.owner
      if (object.phase === 'ended' && this.#scene.profile.name !== 'cromwell' && this.#scene.faults.happens('forgets ended jobs', jid)) {
        this.#scene.say(() => `engine: forgets object ${object.serial}`)
        this.#scene.judge.forgot(object)
        object.phase = 'gone'
      } else if (exists(object) && this.#scene.faults.happens('deleted from outside', jid, 0.5)) this.#outside(object)
    })
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
    if (this.#scene.profile.keepsEnded) this.#scene.engine.stop(object, true)
    else this.#scene.engine.drop(object, true)
  }

  afterStart(object: EngineObject): void {
    const own = this.#scene.profile.windows.find((window) => window.startsWith('node restarts') || window === 'the engine launches twice')
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
    this.#scene.engine.make(job, this.#scene.profile.name === 'slurm' ? 'a-foreign.another' : 'a-foreign')
  }
}
