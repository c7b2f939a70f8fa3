import * as z from 'zod'

/**
 * The kinds of values that settings have. Each may be written as itself (in computes.yml) or as text (in the environment).
 */

/** `parse` gives undefined for what it does not take; `refusal` is what to say then, and the default shows the value. */
export function setting<T>(what: string, parse: (value: unknown) => T | undefined, refusal = mustBe, missing = 'is missing') {
  return z.unknown().transform((value, context): T => {
    const parsed = parse(value)
    if (parsed !== undefined) return parsed
    const message = value === undefined ? missing : value === null ? 'has no value' : refusal(what, value)
    context.issues.push({ code: 'custom', message, input: value })
    return z.NEVER
  })
}

const SHOWN = 40

/** The usual refusal, with the value where it is short and plain. */
export function mustBe(what: string, value: unknown): string {
  if (!['string', 'number', 'boolean'].includes(typeof value)) return `must be ${what}`
  const text = JSON.stringify(value)
  return `must be ${what}, not ${text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text}`
}

/** For what may hold a secret by mistake. */
const withoutValue = (what: string) => `must be ${what}`

/** What pman's own parser took (environs, pman v6.3.1), in any case. */
const WORDS: ReadonlyMap<string, boolean> = new Map([
  ...['yes', 'true', 'on', 'y', 't', '1'].map((word) => [word, true] as const),
  ...['no', 'false', 'off', 'n', 'f', '0'].map((word) => [word, false] as const),
])

export const yesOrNo = setting('yes or no', (value) =>
  typeof value === 'boolean' ? value : typeof value === 'string' ? WORDS.get(value.trim().toLowerCase()) : undefined,
)

export function wholeNumber(least: number, greatest: number) {
  return setting(`a whole number from ${least} to ${greatest}`, (value) => {
    const number = typeof value === 'string' && /^\s*\d{1,16}\s*$/.test(value) ? Number(value) : value
    return typeof number === 'number' && Number.isInteger(number) && number >= least && number <= greatest ? number : undefined
  })
}

export function oneOf<const T extends string>(words: readonly T[]) {
  return setting(`one of ${words.join(', ')}`, (value) => words.find((word) => word === value))
}

const CONTROLS = /[\u0000-\u001f\u007f]/

export const text = setting('text in one line', (value) => (isText(value) ? value : undefined), withoutValue)

export const absolutePath = setting(
  'an absolute path without ".."',
  (value) => (isText(value) && value.startsWith('/') && !value.split('/').includes('..') ? value : undefined),
)

/** The name of a secret, in the characters that Secrets Manager allows. */
export const secretName = setting(
  'the name of a secret (letters, digits and /_+=.@-), not the secret itself',
  (value) => (typeof value === 'string' && /^[A-Za-z0-9/_+=.@-]{1,512}$/.test(value) ? value : undefined),
  withoutValue,
)

/** A list of texts, or one text with commas. */
export const list = setting('a list of texts, each in one line', (value) => {
  const items: unknown = typeof value === 'string' ? commaSeparated(value) : value
  return Array.isArray(items) && items.every(isText) ? items : undefined
})

/** A mapping of texts, or one text `key=value,key=value`. */
export const pairs = setting('key=value pairs, each key once', (value) => {
  const entries = typeof value === 'string' ? pairEntries(value) : isMapping(value) ? Object.entries(value) : undefined
  if (entries?.every(isTextEntry) !== true) return undefined
  return Object.fromEntries(entries.map(([key, item]) => [key, String(item)]))
})

export const mapping = setting('a mapping', (value) => (isMapping(value) ? value : undefined), withoutValue)

export interface IdRange {
  least: number
  greatest: number
}
/** Who the job runs as; the ends of a range are equal where the id is fixed, otherwise each job gets one of its own. */
export interface UserRange {
  uid: IdRange
  gid: IdRange
}

/** What Kubernetes takes. */
const MAX_ID = 2_147_483_647

/** `UID:GID`, or `A-B:C-D`. */
export const user = setting(`UID:GID or A-B:C-D, with A <= B, C <= D and none above ${MAX_ID}`, (value): UserRange | undefined => {
  const [uid, gid, ...rest] = typeof value === 'string' ? value.trim().split(':').map(idRange) : []
  return uid && gid && rest.length === 0 ? { uid, gid } : undefined
})

function idRange(value: string): IdRange | undefined {
  const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(value)
  if (!match) return undefined
  const least = Number(match[1])
  const greatest = Number(match[2] ?? match[1])
  return least <= greatest && greatest <= MAX_ID ? { least, greatest } : undefined
}

/** The entries of `key=value,key=value`; undefined if one has no `=`, no key, or a key comes twice. */
export function pairEntries(value: string): [string, string][] | undefined {
  const entries = commaSeparated(value).map((entry): [string, string] => {
    const at = entry.indexOf('=')
    return at < 0 ? ['', ''] : [entry.slice(0, at).trim(), entry.slice(at + 1).trim()]
  })
  const keys = new Set(entries.map(([key]) => key))
  return keys.size === entries.length && !keys.has('') ? entries : undefined
}

function commaSeparated(value: string): string[] {
  return value.split(',').map((item) => item.trim())
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && !CONTROLS.test(value)
}

/** A value may be empty, or a number or a yes that YAML did not read as text. */
function isTextEntry([key, value]: readonly [string, unknown]): boolean {
  return isText(key) && (value === '' || isText(value) || typeof value === 'number' || typeof value === 'boolean')
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
