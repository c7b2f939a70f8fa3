/** A value, or why there is none, in words for the caller. */
export type Outcome<T> = { value: T } | { problem: string }
