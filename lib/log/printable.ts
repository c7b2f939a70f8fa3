import { isEnvName, isSecretName, isShortName, REDACTED, redactedText, Secret } from './redaction.ts'

export const SNIP = '<SNIP>'
const UNREADABLE = '<UNREADABLE>'
const CYCLE = '<CYCLE>'

/** Characters of a text, and of a stack; levels; entries of one object; values in all. */
const LIMITS = { text: 2_000, stack: 4_000, name: 200, depth: 6, entries: 50, values: 1_000 }
/** Characters of a secret id that are shown. */
const SHORT = 6

interface Walk {
  depth: number
  above: readonly object[]
  /** Shared by the whole walk: wide and deep together must end too. */
  left: { values: number }
}

/**
 * Any value as JSON can have it, with secrets as <REDACTED> and what is too long, wide or deep as <SNIP>. The one place where
 * both are decided. It never throws, and calls no code of the value but its getters.
 */
export function printable(value: unknown): unknown {
  return print(value, { depth: 0, above: [], left: { values: LIMITS.values } })
}

/** One text, redacted and cut. */
export function printableText(text: string): string {
  // Cut last: half a secret is not recognised.
  return cut(redactedText(text), LIMITS.text)
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}${SNIP}` : text
}

function print(value: unknown, walk: Walk): unknown {
  if (typeof value === 'string') return printableText(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  if (typeof value === 'function') return '<function>'
  if (typeof value !== 'object' || value === null) return value
  try {
    return printObject(value, walk)
  } catch {
    // A proxy may throw at any touch.
    return UNREADABLE
  }
}

function printObject(value: object, walk: Walk): unknown {
  if (value instanceof Secret) return REDACTED
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (value instanceof URL || value instanceof RegExp) return printableText(String(value))
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`
  if (walk.above.includes(value)) return CYCLE
  if (walk.depth >= LIMITS.depth || walk.left.values <= 0) return SNIP
  const inside: Walk = { ...walk, depth: walk.depth + 1, above: [...walk.above, value] }
  if (Array.isArray(value)) return printItems(value, inside, printAfter)
  if (value instanceof Set) return printItems(first(value), inside, printAfter)
  return printEntries(value, inside)
}

type Entry = [name: string, value: unknown]

function printItems(items: readonly unknown[], walk: Walk, printItem: (item: unknown, walk: Walk, before: unknown) => unknown): unknown[] {
  const shown = Array.from({ length: Math.min(items.length, LIMITS.entries) }, (_, index) =>
    printItem(read(items, index), walk, index > 0 ? read(items, index - 1) : undefined),
  )
  return items.length > LIMITS.entries ? [...shown, SNIP] : shown
}

/** A word after a secret's name is the secret: `['--password', 'x']`, `['Authorization', 'x']`. */
function printAfter(item: unknown, walk: Walk, before: unknown): unknown {
  const name = typeof before === 'string' && /^[\w.-]{1,40}$/.test(before) && isSecretName(before) ? before : ''
  return printNamed(name, item, walk)
}

function printEntries(value: object, walk: Walk): unknown {
  const entries = value instanceof Map ? mapEntries(value) : entriesOf(value)
  // `{name: 'Authorization', value: 'x'}`
  const named = entries.some(([name, item]) => /^(?:name|key|header)$/.test(name) && typeof item === 'string' && isSecretName(item))
  const shown = entries.slice(0, LIMITS.entries).map(([name, item]): Entry => {
    const printed = named && name === 'value' ? REDACTED : printNamed(name, item, walk)
    return [cut(redactedText(name), LIMITS.name), printed]
  })
  return Object.fromEntries(entries.length > LIMITS.entries ? [...shown, [SNIP, SNIP]] : shown)
}

function printNamed(name: string, value: unknown, walk: Walk): unknown {
  if (walk.left.values-- <= 0) return SNIP
  if (value === undefined || value === null || typeof value === 'boolean') return value
  if (isSecretName(name)) return REDACTED
  if (isEnvName(name)) return printEnv(value, walk)
  if (name === 'stack' && typeof value === 'string') return tail(redactedText(value))
  const short = typeof value === 'string' && value.length > SHORT && isShortName(name)
  return short ? `${value.slice(0, SHORT)}…` : print(value, walk)
}

/** The end of a stack tells who called. */
function tail(stack: string): string {
  return stack.length > LIMITS.stack ? `${SNIP}${stack.slice(-LIMITS.stack)}` : stack
}

/** `KEY=value` as text, `{KEY: value}`, or a list of these or of `{name: KEY, value}`: the names alone. */
function printEnv(value: unknown, walk: Walk): unknown {
  if (typeof value === 'string') return printEnvText(value)
  if (typeof value !== 'object' || value === null) return REDACTED
  try {
    if (Array.isArray(value)) return printItems(value, walk, printEnvItem)
    return namesOnly(value instanceof Map ? mapEntries(value) : entriesOf(value))
  } catch {
    return UNREADABLE
  }
}

function printEnvText(entry: string): string {
  const end = entry.indexOf('=')
  return end < 0 ? REDACTED : `${cut(entry.slice(0, end), LIMITS.name)}=${REDACTED}`
}

function printEnvItem(item: unknown, walk: Walk): unknown {
  if (typeof item !== 'object' || item === null) return printEnv(item, walk)
  const name = read(item, 'name')
  return typeof name === 'string' ? { name: cut(name, LIMITS.name), value: REDACTED } : REDACTED
}

function namesOnly(entries: readonly Entry[]): unknown {
  const shown = entries.map(([name]): Entry => [cut(name, LIMITS.name), REDACTED])
  return Object.fromEntries(entries.length > LIMITS.entries ? [...shown.slice(0, LIMITS.entries), [SNIP, SNIP]] : shown)
}

/** An error's own words first; they are not enumerable. */
function entriesOf(value: object): Entry[] {
  const words = value instanceof Error ? ['name', 'message', 'stack', 'cause', 'errors'].filter((name) => name in value) : []
  const names = [...new Set([...words, ...Object.keys(value)])].slice(0, LIMITS.entries + 1)
  return names.map((name) => [name, read(value, name)])
}

function mapEntries(map: ReadonlyMap<unknown, unknown>): Entry[] {
  return first(map).map(([key, item]) => [typeof key === 'object' && key !== null ? '<object>' : String(key), item])
}

/** One more than is shown, so that the rest can be told of. */
function first<T>(items: Iterable<T>): T[] {
  const taken: T[] = []
  for (const item of items) {
    taken.push(item)
    if (taken.length > LIMITS.entries) break
  }
  return taken
}

/** A getter may throw. */
function read(value: object, name: PropertyKey): unknown {
  try {
    return Reflect.get(value, name) as unknown
  } catch {
    return UNREADABLE
  }
}
