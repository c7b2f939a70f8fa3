import type { CallLog } from '../contract.ts'

/** Who waits: whoever's signal is aborted has left. */
interface Waiter {
  signal: AbortSignal
  log: CallLog
}

interface Flight<T> {
  result: Promise<T>
  waiters: Set<Waiter>
  over: AbortController
}

/** Does one work for all that ask for it under one key; its log goes to each of them. The work is aborted when the last of them has left. */
export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>()

  /** Throws what the work throws, and the waiter's own abort. */
  async join(key: string, waiter: Waiter, work: (signal: AbortSignal, log: CallLog) => Promise<T>): Promise<T> {
    waiter.signal.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#begin(key, work)
    const me = { ...waiter }
    flight.waiters.add(me)
    let leave = (): void => undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        leave = () => reject(errorOf(waiter.signal.reason))
        waiter.signal.addEventListener('abort', leave)
        flight.result.then(resolve, reject)
      })
    } finally {
      waiter.signal.removeEventListener('abort', leave)
      flight.waiters.delete(me)
      if (flight.waiters.size === 0) this.#end(key, flight)
    }
  }

  #begin(key: string, work: (signal: AbortSignal, log: CallLog) => Promise<T>): Flight<T> {
    const waiters = new Set<Waiter>()
    const over = new AbortController()
    const log: CallLog = (event, fields) => {
      for (const waiter of waiters) waiter.log(event, fields)
    }
    const result = work(over.signal, log)
    const flight = { result, waiters, over }
    this.#flights.set(key, flight)
    // Nobody may be left to hear of it; and who asks after the end begins anew.
    const done = (): void => this.#forget(key, flight)
    result.then(done, done)
    return flight
  }

  #end(key: string, flight: Flight<T>): void {
    this.#forget(key, flight)
    flight.over.abort()
  }

  #forget(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}

const errorOf = (reason: unknown): Error => (reason instanceof Error ? reason : new Error('aborted', { cause: reason }))
