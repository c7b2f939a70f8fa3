const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const PREFIX_LENGTH = 24

/** A source of random bytes; `node:crypto`'s in production, seeded in the simulation. */
export type RandomBytes = (count: number) => Uint8Array

/** 80 random bits as 16 characters of `a-z2-7`. */
export function nonce(random: RandomBytes): string {
  const bits = Array.from(random(10), (byte) => byte.toString(2).padStart(8, '0')).join('')
  return Array.from({ length: 16 }, (_, index) => BASE32[Number.parseInt(bits.slice(index * 5, index * 5 + 5), 2)]).join('')
}

/**
 * A new name for an engine's object: a prefix that a person can recognise and a nonce that never comes back.
 * DNS-1123, at most 41 characters, begins with a letter. Chosen at the intent and kept in the record.
 */
export function engineName(jid: string, random: RandomBytes): string {
  const readable = jid
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, PREFIX_LENGTH)
    .replace(/-+$/, '')
  return `${readable === '' ? 'job' : readable}-${nonce(random)}`
}
