/**
 * The simulated time: events in their order, one at a time, each followed by everything that it sets going. Processes are calls of real
 * functions; their messages and timers are events, so each pause of theirs is a point where any other may come between.
 */
import type { Random } from './random.ts'
import type { Time } from './time.ts'

/** A function that runs: it may crash (nothing of it goes on) or freeze (it goes on later), and its clock may be wrong. */
export interface Process {
  readonly name: string
  /** Milliseconds that its clock is ahead. */
  readonly skew: number
  alive: boolean
  /** What has gone wrong for it, and between it and the table: a count. */
  mishaps: number
  /** While frozen: what is to happen once it thaws. */
  frozen: Event[] | undefined
}

export interface Event {
  time: number
  order: number
  run: (() => void) | undefined
  owner: Process | undefined
}

/** Has a continuation run to its next pause: each await of the code under test is over once the queue of microtasks is empty. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

export class Scheduler implements Time {
  now = 1_700_000_000_000
  steps = 0
  readonly #random: Random
  readonly #heap: Event[] = []

  constructor(random: Random) {
    this.#random = random
  }

  /** Plans an event, `delay` milliseconds from now; events of one moment come in any order. The returned function takes it back. */
  after(delay: number, run: () => void, owner?: Process): () => void {
    const event: Event = { time: this.now + Math.max(0, delay), order: this.#random.next(), run, owner }
    this.#push(event)
    return () => void (event.run = undefined)
  }

  /** One event and all that follows from it at once; false if there is none before `until`. */
  async step(until: number): Promise<boolean> {
    for (;;) {
      const [next] = this.#heap
      if (next === undefined || next.time > until) return false
      this.#pop()
      const { run, owner } = next
      if (run === undefined || owner?.alive === false) continue
      if (owner?.frozen !== undefined) {
        owner.frozen.push(next)
        continue
      }
      this.now = next.time
      this.steps++
      run()
      await settled()
      return true
    }
  }

  /** The process goes on: with all that it has missed, in any order. */
  thaw(process: Process): void {
    const missed = process.frozen ?? []
    process.frozen = undefined
    for (const event of missed) {
      event.time = this.now
      event.order = this.#random.next()
      this.#push(event)
    }
  }

  get pending(): number {
    return this.#heap.length
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !before(event, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      let below = heap[child]
      const other = heap[child + 1]
      if (below === undefined) break
      if (other !== undefined && before(other, below)) {
        below = other
        child++
      }
      if (!before(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}

const before = (a: Event, b: Event): boolean => a.time < b.time || (a.time === b.time && a.order < b.order)
