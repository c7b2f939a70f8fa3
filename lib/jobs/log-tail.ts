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

/** The log with the lines that were read before of the parts that are gone, each before what the log itself says of that part. */
export function withEarlier(log: LogTail, earlier: LogTail): LogTail {
  const known = linesOf(earlier)
  const told = new Set(linesOf(log))
  const lines = linesOf(log).flatMap((line) => {
    const part = log.gone?.find((prefix) => line.startsWith(prefix))
    return part === undefined ? [line] : [...known.filter((one) => one.startsWith(part) && !told.has(one)), line]
  })
  return { bytes: Buffer.from(lines.join(''), 'latin1'), truncated: log.truncated }
}

/** Each with its newline; as one character for each byte, so that nothing is changed. */
const linesOf = ({ bytes }: LogTail): string[] => Buffer.from(bytes).toString('latin1').match(/[^\n]*\n|[^\n]+$/g) ?? []
