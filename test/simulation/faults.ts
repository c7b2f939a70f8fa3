/** What may go wrong, how often, and what has gone wrong. */
import type { Random } from './random.ts'

export const FAULTS = [
  'store request lost',
  'store answer lost',
  'store write late',
  'store slow',
  'index lags',
  'short page',
  'engine request lost',
  'engine answer lost',
  'engine call late',
  'engine slow',
  'engine down',
  'rate limited',
  'create refused',
  'start refused',
  'needs preparation',
  'start stalls',
  'runs twice by itself',
  'controller crash',
  'forgets ended jobs',
  'deleted from outside',
  'record lost',
  'crash',
  'freeze',
  'dispatch lost',
  'dispatch twice',
  'request twice',
  'cleanup twice',
  'clock skew',
] as const
export type FaultKind = (typeof FAULTS)[number]

/** How rough a run is: the rates that its faults are drawn from. */
const TEMPERS: readonly (readonly number[])[] = [
  [0, 0, 0, 0, 0.01, 0.05],
  [0, 0, 0.005, 0.02, 0.05, 0.15],
  [0, 0.02, 0.05, 0.1, 0.25],
  [0, 0, 0, 0, 0, 0, 0, 0.2, 0.3],
]

/** For each run its own mixture: some faults often, some never. Counts each by the state of the job that it meets. */
export class Faults {
  readonly counts = new Map<string, Map<FaultKind, number>>()
  readonly #rates: ReadonlyMap<FaultKind, number>
  readonly #random: Random
  #over = false
  stateOf: (jid: string | undefined) => string = () => '-'

  /** `rates`: of some faults, in place of what chance gives. */
  constructor(random: Random, calm = false, rates: Partial<Record<FaultKind, number>> = {}) {
    this.#random = random
    const temper = random.pick(TEMPERS)
    this.#rates = new Map(
      FAULTS.map((kind) => {
        const drawn = random.pick(temper)
        return [kind, calm ? 0 : (rates[kind] ?? drawn)]
      }),
    )
  }

  /** From now on nothing more goes wrong. */
  end(): void {
    this.#over = true
  }

  get over(): boolean {
    return this.#over
  }

  /** Does it happen now? `weight` makes it more or less likely than its rate. */
  happens(kind: FaultKind, jid?: string, weight = 1): boolean {
    const rate = this.#rates.get(kind) ?? 0
    if (this.#over || rate === 0 || !this.#random.chance(Math.min(0.9, rate * weight))) return false
    const state = this.stateOf(jid)
    const row = this.counts.get(state) ?? new Map<FaultKind, number>()
    row.set(kind, (row.get(kind) ?? 0) + 1)
    this.counts.set(state, row)
    return true
  }
}
