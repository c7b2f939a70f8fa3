/** Bytes of a log in an answer, as JSON writes it in UTF-8. */
export const MAX_ENCODED_LOG = 1024 * 1024

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A log as text, invalid UTF-8 as U+FFFD: the end of it, in at most `budget` bytes of encoded JSON. */
export function logText(bytes: Uint8Array, budget: number = MAX_ENCODED_LOG): string {
  const text = decoder.decode(lastBytes(bytes, budget))
  let start = text.length
  for (let left = budget; start > 0; start--) {
    left -= encodedSize(text.charCodeAt(start - 1))
    if (left < 0) break
  }
  return withoutHalfPair(text.slice(start))
}

/** No byte takes less than a byte when it is encoded, so what is before these need not be looked at. Begins between two characters. */
function lastBytes(bytes: Uint8Array, count: number): Uint8Array {
  if (bytes.length <= count) return bytes
  const start = bytes.length - count
  const begin = [0, 1, 2, 3].find((skip) => ((bytes[start + skip] ?? 0) & 0xc0) !== 0x80) ?? 0
  return bytes.subarray(start + begin)
}

const SHORT_ESCAPES = new Set(['"', '\\', '\b', '\t', '\n', '\f', '\r'].map((char) => char.charCodeAt(0)))

/** Bytes that JSON in UTF-8 takes for a UTF-16 code unit; a surrogate is half of four. */
function encodedSize(unit: number): number {
  if (SHORT_ESCAPES.has(unit)) return 2
  if (unit < 0x20) return 6
  if (unit < 0x80) return 1
  return unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3
}

const withoutHalfPair = (text: string): string => text.replace(/^\p{Cs}/u, '')
