import type { Process, Scheduler } from './scheduler.ts'

/** What becomes of a message, in milliseconds. Missing: never. */
export interface Fate {
  /** From sending until it takes effect. */
  effect?: number | undefined
  /** From the effect until the answer is there. */
  answer?: number | undefined
  /** It takes effect when this is called, if that is earlier. */
  early?: ((now: () => void) => void) | undefined
  /** From sending until the sender is told that the connection broke. */
  broken?: number | undefined
}

/** The connection broke: whether the message took effect is not known. */
export class Broken extends Error {
  constructor() {
    super('socket hang up')
    this.name = 'Broken'
  }
}

/**
 * Sends a message. Its effect happens at its own time, whatever has become of the sender; the sender hears of it at most once, and not
 * after its signal was aborted.
 */
export function send<T>(scheduler: Scheduler, owner: Process, effect: () => T, fate: Fate, signal?: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const aborted = (): void => reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'))
    if (signal?.aborted === true) {
      aborted()
      return
    }
    signal?.addEventListener('abort', aborted, { once: true })
    const { broken, answer } = fate
    if (broken !== undefined) scheduler.after(broken, () => reject(new Broken()), owner)
    if (fate.effect === undefined) return
    let arrived = false
    const arrive = (): void => {
      if (arrived) return
      arrived = true
      takeBack()
      const outcome = attempt(effect)
      if (answer === undefined) return
      scheduler.after(answer, () => ('error' in outcome ? reject(outcome.error) : resolve(outcome.value)), owner)
    }
    const takeBack = scheduler.after(fate.effect, arrive)
    fate.early?.(arrive)
  })
}

function attempt<T>(effect: () => T): { value: T } | { error: Error } {
  try {
    return { value: effect() }
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }
}
