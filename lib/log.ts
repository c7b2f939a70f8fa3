import { printable, printableText } from './log/printable.ts'

export { printable, printableText, SNIP } from './log/printable.ts'
export { REDACTED, Secret } from './log/redaction.ts'

/** The levels, least first. */
export const LEVELS = ['info', 'warn', 'error'] as const
export type LogLevel = (typeof LEVELS)[number]

/** The ids that cross boundaries, each with one meaning: one of them finds the whole story. */
export interface LogIds {
  /** A request. */
  reqId?: string | undefined
  /** One operation on a job; several requests or messages may share it. */
  opId?: string | undefined
  jid?: string | undefined
  compute?: string | undefined
  generation?: number | undefined
  /** Who asked, in the caller's words. */
  auid?: string | undefined
  /** Where the job is: container id, Job name, workflow id, SLURM job id. */
  ref?: string | undefined
  /** The function. */
  fn?: string | undefined
}

/** Writes one JSON line of an event, and never throws. It is a CallLog as it stands. */
export interface Log {
  (event: string, fields?: Record<string, unknown>): void
  warn: (event: string, fields?: Record<string, unknown>) => void
  error: (event: string, fields?: Record<string, unknown>) => void
  /** The same log with more ids on each line, or others. */
  child: (ids: LogIds) => Log
}

/** `write` gets a line without its end; `clock` gives milliseconds since 1970; events below `least()` are not written. */
export function logger(write: (line: string) => void, clock: () => number, ids: LogIds = {}, least: () => LogLevel = () => 'info'): Log {
  const at = (level: LogLevel) => (event: string, fields: Record<string, unknown> = {}) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least())) return
    // What cannot be told must not fail the job that it tells of.
    try {
      write(JSON.stringify({ ts: new Date(clock()).toISOString(), level, event: printableText(event), ...line(ids, fields) }))
    } catch {
      return
    }
  }
  return Object.assign(at('info'), {
    warn: at('warn'),
    error: at('error'),
    child: (more: LogIds) => logger(write, clock, { ...ids, ...more }, least),
  })
}

const ON_EVERY_LINE: ReadonlySet<string> = new Set(['ts', 'level', 'event'])

/** A field named as an id replaces it on this line; one named as what every line has gets a `_`. */
function line(ids: LogIds, fields: Record<string, unknown>): object {
  const printed: Record<string, unknown> = { ...(printable(ids) as object), ...(printable(fields) as object) }
  return Object.fromEntries(Object.entries(printed).map(([name, value]) => [ON_EVERY_LINE.has(name) ? `${name}_` : name, value]))
}

let leastOfRoot: LogLevel = 'info'

/** Sets the level of `rootLog` and its children, those that exist included: the process logs before its settings are read. */
export function logFrom(level: LogLevel): void {
  leastOfRoot = level
}

/** The log of the process: every other one is its child. */
export const rootLog: Log = logger((text) => void process.stdout.write(`${text}\n`), Date.now, {}, () => leastOfRoot)
