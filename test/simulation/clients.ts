/** Those who ask: they submit, look, cancel, delete, often several at once, and keep what they are told. */
import type { Core } from '../../lib/jobs/core.ts'
import { isFinal } from '../../lib/jobs/lifecycle.ts'
import { jobService } from '../../lib/jobs/service.ts'
import type { JobKey, JobSpec, Principal } from '../../lib/jobs/types.ts'
import { specOf, type Scene } from './scene.ts'
import { MINUTE, SECOND } from './time.ts'

const CLIENT: Principal = { name: 'client', scopes: ['read', 'write'] }

/** Runs a function as a process of its own; what it returns is done where its answer arrives, and tells it. */
export type Spawn = (what: string, work: (core: Core) => Promise<() => string>) => void

export class Clients {
  /** When the last of them begins something, in milliseconds from the beginning. */
  lastMoment = 0
  readonly #scene: Scene
  readonly #spawn: Spawn

  constructor(scene: Scene, spawn: Spawn) {
    this.#scene = scene
    this.#spawn = spawn
  }

  /** What clients do with one jid: bursts of requests around some moments. */
  plan(key: JobKey): void {
    const random = this.#scene.random
    const spec = specOf('one')
    const other = specOf('two')
    const at = (moment: number, act: () => void): void => void this.#scene.scheduler.after(Math.max(0, moment + random.spread(1, 3000)), act)
    const submit = (moment: number, what: JobSpec): void => at(moment, () => this.#submit(key, what))
    for (let n = random.between(1, 3); n > 0; n--) submit(0, spec)
    if (random.chance(0.15)) submit(0, other)
    let moment = 0
    // some clients are in a hurry
    const pace = random.pick([200, 5 * SECOND, MINUTE, 8 * MINUTE])
    for (let n = random.between(0, 14); n > 0; n--) {
      moment += random.spread(20, random.chance(0.2) ? 5 * MINUTE : pace)
      const act = random.next()
      if (act < 0.25) at(moment, () => this.#cancel(key))
      else if (act < 0.55) {
        at(moment, () => this.#delete(key))
        if (random.chance(0.7)) submit(moment + random.spread(1, random.pick([200, 2000, 2 * MINUTE])), random.chance(0.7) ? spec : other)
        if (random.chance(0.3)) at(moment, () => this.#cancel(key))
      } else if (act < 0.8) submit(moment, random.chance(0.8) ? spec : other)
      else at(moment, () => this.#logs(key))
    }
    this.lastMoment = Math.max(this.lastMoment, moment)
    const period = random.spread(2 * SECOND, 5 * MINUTE)
    const poll = (): void => {
      if (this.#scene.faults.over) return
      const state = this.#scene.table.partition(key).job?.state ?? 'deleted'
      const idle = isFinal(state) || state === 'deleted'
      if (!idle || random.chance(0.1)) this.#status(key)
      this.#scene.scheduler.after(period, poll)
    }
    if (random.chance(0.7)) this.#scene.scheduler.after(period, poll)
  }

  #submit(key: JobKey, spec: JobSpec): void {
    const times = this.#scene.faults.happens('request twice', key.jid) ? 2 : 1
    for (let n = 0; n < times; n++) {
      const expected = this.#scene.judge.before(key.jid)
      this.#spawn(`submit ${key.jid} ${spec.image}`, async (core) => {
        const { record } = await jobService(core).submit(CLIENT, key, spec)
        return () => {
          this.#scene.judge.acknowledged(record)
          if (record.state !== 'deleted') this.#scene.judge.answered(record, expected)
          return `201 ${record.state} ${record.engineName}`
        }
      })
    }
  }

  #status(key: JobKey): void {
    const expected = this.#scene.judge.before(key.jid)
    this.#spawn(`status ${key.jid}`, async (core) => {
      const { record } = await jobService(core).status(CLIENT, key)
      return () => {
        this.#scene.judge.answered(record, expected)
        return `200 ${record.state}`
      }
    })
  }

  #cancel(key: JobKey): void {
    this.#scene.asked.add(key.jid)
    const expected = this.#scene.judge.before(key.jid)
    this.#spawn(`cancel ${key.jid}`, async (core) => {
      const { record } = await jobService(core).cancel(CLIENT, key)
      return () => {
        if (record.state !== 'deleted') this.#scene.judge.answered(record, expected)
        return `200 ${record.state}`
      }
    })
  }

  #delete(key: JobKey): void {
    this.#spawn(`delete ${key.jid}`, async (core) => {
      await jobService(core).delete(CLIENT, key)
      return () => '204'
    })
  }

  #logs(key: JobKey): void {
    this.#spawn(`logs ${key.jid}`, async (core) => {
      const { bytes } = await jobService(core).logs(CLIENT, key, 10)
      return () => `200 ${bytes.length} bytes`
    })
  }
}
