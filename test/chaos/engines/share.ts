import { randomInt } from 'node:crypto'
import { Random } from '../../simulation/random.ts'

/** The seed of all that is drawn here: CHAOS_SEED draws the same again. */
export const SEED = Number(process.env.CHAOS_SEED ?? randomInt(2 ** 31))

/** How much of what may be left out is done: from 0 to 1. */
const SHARE = Number(process.env.CHAOS_SHARE ?? 0.2)

/** For titles: how to have the same again. */
export const toldShare = `CHAOS_SHARE=${SHARE} CHAOS_SEED=${SEED}`

const random = new Random(SEED)

/** Some of them, at least one, in their order: other ones at each call. */
export function sample<T>(all: readonly T[]): T[] {
  const drawn = all.map((one) => ({ one, lot: random.next() })).sort((a, b) => a.lot - b.lot)
  const kept = new Set(drawn.slice(0, Math.max(1, Math.ceil(all.length * SHARE))).map(({ one }) => one))
  return all.filter((one) => kept.has(one))
}

/** So many, at this share; at least one. */
export const scaled = (count: number): number => Math.max(1, Math.ceil(count * SHARE))
