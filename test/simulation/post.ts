/** Messages between functions, table and engine, and what becomes of them. */
import { PmanError } from '../../lib/errors.ts'
import type { FaultKind } from './faults.ts'
import { LATEST_CALL, SIGNED_FOR, type Scene } from './scene.ts'
import type { Process } from './scheduler.ts'
import type { StoreRequest } from './sim-store.ts'
import { send, type Fate } from './transport.ts'
import { MINUTE, SECOND } from './time.ts'

export class Post {
  #indexed = 0
  readonly #scene: Scene
  readonly #crashed: () => void

  constructor(scene: Scene, crashed: () => void) {
    this.#scene = scene
    this.#crashed = crashed
  }

  readonly #waiting: { jid: string; messages: number; then: () => void }[] = []

  /** Happens at its time, or right after one of the next messages about the same job: where it does most harm. */
  #soonOrLate(delay: number, jid: string | undefined, then: () => void): void {
    let done = false
    const once = (): void => {
      if (done) return
      done = true
      then()
    }
    this.#scene.scheduler.after(delay, once)
    this.#afterMessages(jid, once)
  }

  #afterMessages(jid: string | undefined, then: () => void): void {
    if (jid !== undefined && this.#scene.random.chance(0.7)) this.#waiting.push({ jid, messages: this.#scene.random.spread(1, 40), then })
  }

  /** A message about a job has taken effect. */
  #passed(jid: string | undefined): void {
    for (const one of this.#waiting) if (one.jid === jid) one.messages--
    const due = this.#waiting.filter(({ messages }) => messages <= 0)
    if (due.length === 0) return
    this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter(({ messages }) => messages > 0))
    for (const { then } of due) this.#scene.scheduler.after(this.#scene.random.between(0, 30), then)
  }

  /** A process may crash, or freeze, wherever it sends something. Returns whether the message is still sent. */
  #mishap(process: Process, jid: string | undefined): boolean {
    if (this.#scene.faults.happens('crash', jid, 0.2)) {
      this.#scene.say(() => `${process.name}: crashes`)
      process.alive = false
      process.mishaps++
      this.#crashed()
      return this.#scene.random.chance(0.5)
    }
    if (this.#scene.faults.happens('freeze', jid, 0.5)) {
      this.#scene.say(() => `${process.name}: freezes`)
      process.frozen = []
      process.mishaps++
      this.#soonOrLate(this.#scene.random.spread(100, 15 * MINUTE), jid ?? this.#scene.random.pick(this.#scene.jids), () => {
        if (process.frozen === undefined) return
        this.#scene.say(() => `${process.name}: goes on`)
        this.#scene.scheduler.thaw(process)
      })
    }
    return true
  }

  /** One request to the table; the SDK sends again what was not answered, a put with its very content. */
  async request<T>(process: Process, { kind, words, jid }: StoreRequest, effect: () => T): Promise<T> {
    const told = (): T => {
      const answer = effect()
      this.#scene.say(() => `${process.name}: ${words}${answer === false ? ': refused' : ''}`)
      this.#passed(jid)
      return answer
    }
    for (let attempt = 0; attempt < 4; attempt++) {
      if (!this.#mishap(process, jid)) return new Promise<never>(() => undefined)
      const fate = this.#storeFate(process, kind, jid)
      const answer = send(this.#scene.scheduler, process, told, fate)
      if (fate.answer !== undefined && fate.effect !== undefined && fate.answer + fate.effect < 3 * SECOND) return answer
      const late = new Promise<'late'>((resolve) => void this.#scene.scheduler.after(3 * SECOND, () => resolve('late'), process))
      const first = await Promise.race([answer, late])
      if (first !== 'late') return first
      this.#scene.say(() => `${process.name}: ${words}: no answer, sends again`)
    }
    throw new PmanError('store_unavailable', 'the job table did not answer')
  }

  #storeFate(process: Process, kind: StoreRequest['kind'], jid: string | undefined): Fate {
    const random = this.#scene.random
    const faults = this.#scene.faults
    const soon = { effect: random.spread(1, 30), answer: random.spread(1, 30) }
    const happens = (fault: FaultKind): boolean => {
      const does = faults.happens(fault, jid)
      if (does) process.mishaps++
      return does
    }
    if (happens('store request lost')) return {}
    if (happens('store answer lost')) return { effect: soon.effect }
    if (kind === 'put' && happens('store write late')) return this.#late(SIGNED_FOR, jid)
    if (happens('store slow')) return { effect: random.spread(30, 2500), answer: random.spread(30, 2500) }
    return soon
  }

  /** One call to the engine: sent once. */
  wire<T>(process: Process, signal: AbortSignal, words: string, jid: string | undefined, changes: boolean, effect: () => T): Promise<T> {
    if (!this.#mishap(process, jid)) return new Promise<never>(() => undefined)
    const fate = this.#engineFate(changes, jid)
    const told = (): T => {
      if (this.#scene.engine.down) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      if (this.#scene.faults.happens('rate limited', jid)) throw new Error('429: too many requests')
      const late = fate.early === undefined ? '' : ' (late)'
      this.#scene.say(() => `${process.name} -> engine: ${words}${late}`)
      this.#passed(jid)
      return effect()
    }
    return send(this.#scene.scheduler, process, told, fate, signal)
  }

  #engineFate(changes: boolean, jid: string | undefined): Fate {
    const random = this.#scene.random
    const faults = this.#scene.faults
    const soon = { effect: random.spread(1, 200), answer: random.spread(1, 200) }
    const happens = (kind: FaultKind): boolean => faults.happens(kind, jid)
    const cut = random.chance(0.5) ? { broken: random.spread(1, 5000) } : {}
    if (happens('engine request lost')) return cut
    if (happens('engine answer lost')) return { effect: soon.effect, ...(cut.broken === undefined ? {} : { broken: cut.broken + soon.effect }) }
    if (changes && happens('engine call late')) return { ...this.#late(LATEST_CALL, jid), ...cut }
    if (happens('engine slow')) return { effect: random.spread(200, 12_000), answer: random.spread(200, 12_000) }
    return soon
  }

  /** It arrives after its sender has given up, or not before others have been at the same job. */
  #late(latest: number, jid: string | undefined): Fate {
    const early = (arrive: () => void): void => this.#afterMessages(jid, arrive)
    return { effect: this.#scene.random.spread(SECOND, latest), early }
  }

  /** An index follows the table, in the order of the writes. */
  follow(follow: () => void): void {
    const lag = this.#scene.faults.happens('index lags', undefined, 2) ? this.#scene.random.spread(100, 10 * MINUTE) : this.#scene.random.between(0, 20)
    const time = Math.max(this.#indexed + 1, this.#scene.scheduler.now + lag)
    this.#indexed = time
    this.#scene.scheduler.after(time - this.#scene.scheduler.now, follow)
  }
}
