/** What an engine's object does once it runs, and how that ends. */
import type { Reason } from '../../lib/jobs/reasons.ts'
import type { Random } from './random.ts'
import type { EngineObject } from './sim-engine.ts'
import type { Time } from './time.ts'

export interface WorkEnd {
  reason: Reason
  exitCode?: number
}

/** One run of a job. */
export interface Run {
  /** Asks it to end, which it does now or after its grace. */
  stop(): void
  /** What it has printed so far. */
  output(): Uint8Array
}

export interface Work {
  /** Begins a run of an object; `ended` is called once, when nothing of it goes on any more. */
  begin(object: EngineObject, ended: (end: WorkEnd) => void): Run
}

/** How a process ends by its exit code: 128 and a signal's number, for one that was killed. */
export function endOf(exitCode: number): WorkEnd {
  return { exitCode, reason: exitCode === 0 ? 'Completed' : exitCode > 128 ? 'KilledBySignal' : 'NonZeroExit' }
}

/** The exit code of a run that was stopped. */
export const TERMINATED = 143

/** A run is a timer and an exit code. `run`: the shortest and the longest; `grace`: how long it goes on after a stop, at most; in milliseconds. */
export function timedWork(time: Time, random: Random, { run: [least, greatest], grace }: { run: readonly [number, number]; grace: number }): Work {
  return {
    begin({ engineName }, ended) {
      let text = `begun by ${engineName}\n`
      let over = false
      const end = (exitCode: number): void => {
        if (over) return
        over = true
        ended(endOf(exitCode))
      }
      const exitCode = random.chance(0.6) ? 0 : random.pick([1, 3, 137])
      time.after(random.spread(least, greatest), () => {
        if (!over) text += 'done\n'
        end(exitCode)
      })
      return {
        stop: () => (grace === 0 ? end(TERMINATED) : void time.after(random.spread(1, grace), () => end(TERMINATED))),
        output: () => Buffer.from(text),
      }
    },
  }
}
