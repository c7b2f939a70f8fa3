import type { Outcome } from './outcome.ts'
import { split } from './shlex.ts'

/** Reads one field of a request; undefined: it is not there. */
export type Reader<T> = (given: unknown) => Outcome<T>
export type Readers<T> = { readonly [K in keyof T]: Reader<T[K]> }

/** What is wrong with a value of the right type; undefined: nothing. */
type Check<T> = (value: T) => string | undefined

/** Linux takes 128 KiB for one word of a command line or environment, its closing NUL included. Bytes. */
export const MAX_WORD = 128 * 1024 - 1
/** Bytes of a list's words. */
export const MAX_WORDS = 128 * 1024
const MAX_INTEGER = 2 ** 31 - 1

/** Bytes of words; an empty one counts as one, so that there is an end to them. */
export const bytesOf = (words: readonly string[]): number => words.reduce((sum, word) => sum + Math.max(1, Buffer.byteLength(word)), 0)

/** A string; `normalise` comes before the check. */
export function text(check: Check<string> = () => undefined, normalise: (raw: string) => string = (raw) => raw): Reader<string> {
  return (given) => {
    if (given === undefined) return MISSING
    if (typeof given !== 'string') return { problem: `must be a string, not ${kindOf(given)}` }
    const value = normalise(given)
    return outcome(value, textProblem(value) ?? check(value))
  }
}

/** A string, or an integer that stands for its text, as older clients send it. */
export function id(check: Check<string>, normalise?: (raw: string) => string): Reader<string> {
  const read = text(check, normalise)
  return (given) => read(Number.isSafeInteger(given) ? String(given) : given)
}

/** An integer of `min` or more, or its decimal digits. */
export function integer(min: number): Reader<number> {
  return (given) => {
    if (given === undefined) return MISSING
    const value = typeof given === 'string' && /^[0-9]+$/.test(given) ? Number(given) : given
    if (typeof value !== 'number' || !Number.isInteger(value)) return { problem: `must be an integer, not ${kindOf(given)}` }
    if (value < min || value > MAX_INTEGER) return { problem: `must be from ${min} to ${MAX_INTEGER}` }
    // JSON has a -0, which no reader downstream expects.
    return { value: value === 0 ? 0 : value }
  }
}

/** One of a few words. */
export function choice<T extends string>(words: readonly T[]): Reader<T> {
  return (given) => {
    if (given === undefined) return MISSING
    const value = words.find((word) => word === given)
    const shown = typeof given === 'string' ? JSON.stringify(given.slice(0, 40)) : kindOf(given)
    return value === undefined ? { problem: `${shown} is not a valid choice: give one of ${words.join(', ')}` } : { value }
  }
}

/** A list of strings, each a word that an engine can pass on. */
export function list(checkEach: Check<string> = () => undefined, check: Check<string[]> = () => undefined): Reader<string[]> {
  return (given) => {
    if (given === undefined) return MISSING
    if (!Array.isArray(given)) return { problem: `must be a list of strings, not ${kindOf(given)}` }
    const strange = given.findIndex((element) => typeof element !== 'string')
    if (strange >= 0) return { problem: `must be a list of strings: element ${strange + 1} is ${kindOf(given[strange])}` }
    const words = given as string[]
    return outcome(words, wordsProblem(words, checkEach) ?? check(words))
  }
}

/** A command line, of which the words count. */
export const commandLine: Reader<string[]> = (given) => {
  const line = text()(given)
  if ('problem' in line) return line
  const words = split(line.value)
  return 'problem' in words ? words : outcome(words.value, wordsProblem(words.value))
}

/** A field that may be left out, or be null. */
export const optional =
  <T>(read: Reader<T>, fallback: T): Reader<T> =>
  (given) =>
    given === undefined || given === null ? { value: fallback } : read(given)

/** A field that must not be there. */
export const refused =
  (problem: string): Reader<undefined> =>
  (given) =>
    given === undefined ? { value: undefined } : { problem }

/** What is wrong with words that are to reach a job as they are; undefined: nothing. */
export function wordsProblem(words: readonly string[], checkEach: Check<string> = () => undefined): string | undefined {
  for (const [index, word] of words.entries()) {
    const problem = textProblem(word) ?? (Buffer.byteLength(word) > MAX_WORD ? `must have at most ${MAX_WORD} bytes` : checkEach(word))
    if (problem !== undefined) return `element ${index + 1} ${problem}`
  }
  const bytes = bytesOf(words)
  return bytes > MAX_WORDS ? `holds ${bytes} bytes: at most ${MAX_WORDS}` : undefined
}

const MISSING = { problem: 'Missing required parameter in the JSON body' }

const outcome = <T>(value: T, problem: string | undefined): Outcome<T> => (problem === undefined ? { value } : { problem })

function textProblem(value: string): string | undefined {
  if (value.includes('\0')) return 'must not contain a NUL character'
  return /\p{Cs}/u.test(value) ? 'must be well-formed Unicode' : undefined
}

const KINDS: Readonly<Record<string, string>> = { boolean: 'a boolean', object: 'an object', string: 'a string' }

function kindOf(given: unknown): string {
  if (given === null) return 'null'
  if (Array.isArray(given)) return 'a list'
  if (typeof given === 'number') return Number.isInteger(given) ? 'an integer' : 'a fraction'
  return KINDS[typeof given] ?? typeof given
}
