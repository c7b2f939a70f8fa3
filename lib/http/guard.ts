import type { Log } from '../log.ts'

/** Told in the log by the guard; the end-to-end suite fails if it sees this event. */
export const UNCAUGHT = 'uncaught'

/** Offline one function's uncaught error ends the whole gateway; here it is told instead. On AWS the process ends, as it should. */
export function guardOffline(log: Log): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => log.error(UNCAUGHT, { error }))
  }
}
