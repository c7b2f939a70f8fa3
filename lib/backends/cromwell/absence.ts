/** What tells whether Cromwell's summary has gone past a workflow: the server's clock, and when the newest one that is shown was submitted. */
export interface SummaryNow {
  /** Milliseconds since 1970, both by the server. */
  at: number
  newest: number | undefined
}

/** Missing workflows that are remembered; forgetting one only puts off the answer. */
const REMEMBERED = 10_000

/**
 * A workflow that Cromwell does not show may be one that it has not summarised yet: a 404 alone says nothing. It is surely not there once
 * one is shown that was submitted well after the first 404 for it, since events are written and summarised in their order.
 */
export class Absence {
  readonly #missing = new Map<string, number>()
  readonly #grace: number

  constructor(grace: number) {
    this.#grace = grace
  }

  /** Is the workflow, which was just now not shown, absent for good? */
  proven(id: string, { at, newest }: SummaryNow): boolean {
    const since = this.#missing.get(id)
    if (since === undefined) {
      this.#missing.set(id, at)
      for (const [oldest] of this.#missing) if (this.#missing.size > REMEMBERED) this.#missing.delete(oldest)
      return false
    }
    return newest !== undefined && newest > since + this.#grace
  }

  /** It is shown. */
  seen(id: string): void {
    this.#missing.delete(id)
  }
}
