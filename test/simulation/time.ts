/** Time as an engine has it: simulated, or the machine's own. Milliseconds. */
export interface Time {
  readonly now: number
  /** Calls back after so many milliseconds; the returned function takes that back. */
  after(delay: number, run: () => void): () => void
}

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
