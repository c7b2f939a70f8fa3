import { constants } from 'node:os'
import type { Reason } from '../../jobs/reasons.ts'

/** The signal that an exit code tells of, as a shell does, by 128 and its number: an exit with that code looks the same. */
export function signalOf(exitCode: number): NodeJS.Signals | undefined {
  const named = Object.entries(constants.signals) as [NodeJS.Signals, number][]
  return named.find(([, number]) => number === exitCode - 128)?.[0]
}

/** What the exit code of a job that ran is the reason of. */
export function exitReason(exitCode: number): Reason {
  if (exitCode === 0) return 'Completed'
  return signalOf(exitCode) === undefined ? 'NonZeroExit' : 'KilledBySignal'
}
