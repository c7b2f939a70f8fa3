import type { Outcome } from './outcome.ts'

const WHITESPACE = ' \t\r\n'
/** Whatever is not one of these makes a word need quotes. */
const SAFE_WORD = /^[A-Za-z0-9_@%+=:,./-]+$/

/** The words of a command line, as Python's `shlex.split` reads them: POSIX quotes and backslashes, no comments, nothing expanded. */
export function split(line: string): Outcome<string[]> {
  const words: string[] = []
  // undefined between words: '' is a word too.
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < line.length; at++) {
    const char = line.charAt(at)
    if (char === quote) {
      quote = ''
    } else if (char === '\\' && quote !== "'") {
      const next = line.charAt(++at)
      if (next === '') return { problem: 'ends with a backslash that escapes nothing' }
      const escaped = quote === '' || next === '\\' || next === quote
      word = `${word ?? ''}${escaped ? '' : char}${next}`
    } else if (quote !== '') {
      word = `${word ?? ''}${char}`
    } else if (char === "'" || char === '"') {
      quote = char
      word ??= ''
    } else if (!WHITESPACE.includes(char)) {
      word = `${word ?? ''}${char}`
    } else if (word !== undefined) {
      words.push(word)
      word = undefined
    }
  }
  if (quote !== '') return { problem: `has a quotation that is not closed: ${quote}` }
  return { value: word === undefined ? words : [...words, word] }
}

/** One word as `shlex.quote` writes it: as it is where a shell would read it so, else in single quotes. */
export const quote = (word: string): string => (SAFE_WORD.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`)

/** A command line that `split`, and any POSIX shell, reads as these words. */
export const join = (words: readonly string[]): string => words.map(quote).join(' ')
