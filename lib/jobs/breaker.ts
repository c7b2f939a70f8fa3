import type { Timing } from './timing.ts'

/** Leaves an engine alone for a while after it has not answered several times in a row, so that it delays nobody else. */
export interface Breaker {
  /** May the engine be asked now? */
  allows(compute: string): boolean
  answered(compute: string): void
  failed(compute: string): void
}

interface Trouble {
  failures: number
  until: number
}

/**
 * Kept in this process alone: it saves time, and no decision about a job rests on it. After the pause one failure is enough to open it
 * again, and one answer closes it.
 */
export function circuitBreaker(timing: Pick<Timing, 'breakerAfter' | 'breakerFor'>, clock: () => number): Breaker {
  const troubles = new Map<string, Trouble>()
  return {
    allows: (compute) => (troubles.get(compute)?.until ?? 0) <= clock(),
    answered: (compute) => void troubles.delete(compute),
    failed(compute) {
      const failures = (troubles.get(compute)?.failures ?? 0) + 1
      troubles.set(compute, { failures, until: failures >= timing.breakerAfter ? clock() + timing.breakerFor : 0 })
    },
  }
}
