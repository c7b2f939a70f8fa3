import { invalid } from '../errors.ts'

/** Lines that one answer gives at most. */
const MOST = 1_000_000

/** How many lines `tail` asks for; all there are without it. Throws `invalid` for `tail`. */
export function tailLines(tail: string | undefined): number {
  if (tail === undefined) return MOST
  if (!/^\d{1,7}$/.test(tail) || Number(tail) > MOST) throw invalid({ tail: `a whole number from 0 to ${MOST}, the lines wanted from the end` })
  return Number(tail)
}
