import type { LogBounds, LogTail } from './types.ts'

const NEWLINE = 0x0a

/** The last lines of a log, and of these the last bytes. A last line without its newline counts as one. */
export function tailOf(log: LogTail, { tailLines, maxBytes }: LogBounds): LogTail {
  const { bytes } = log
  let start = Math.max(0, bytes.length - maxBytes)
  let lines = 0
  for (let at = bytes.length - 2; at >= start; at--) {
    if (bytes[at] === NEWLINE && ++lines === tailLines) start = at + 1
  }
  if (tailLines === 0) start = bytes.length
  return { bytes: bytes.subarray(start), truncated: log.truncated || start > 0 }
}
