/**
 * The site's launch template: how a command is run in an image on a node, such as `apptainer exec docker://{image} {command}`.
 * It is words, not shell: what a caller names only ever stands in for a placeholder, as one quoted value (`{command}`: as its words).
 */
export const PLACEHOLDERS = ['image', 'workdir', 'input', 'output', 'workers'] as const
export type Placeholder = (typeof PLACEHOLDERS)[number]

/** A part of a word: text as it stands, a placeholder's value, a variable of the node's environment. */
type Part = { text: string } | { placeholder: Placeholder } | { variable: string }
/** One word, or the words of the command. */
type Word = readonly Part[] | 'command'

export interface LaunchTemplate {
  words: readonly Word[]
  /** The placeholders that it names. */
  names: ReadonlySet<Placeholder>
}

/** What a shell would act on. Outside of quotes it is refused: the site's own shell goes into `prologue`. */
const SHELL = /[|&;<>()`\\*?[\]~#!]/
const PIECE = /\{([a-z]+)\}|\$([A-Za-z_][A-Za-z0-9_]*)/g

/** The template in its parts, or what is wrong with it. */
export function parseTemplate(text: string): LaunchTemplate | { problem: string } {
  const split = splitWords(text)
  if ('problem' in split) return split
  const words: Word[] = []
  const names = new Set<Placeholder>()
  for (const pieces of split.words) {
    const whole = pieces.map(({ text: piece }) => piece).join('')
    if (whole.includes('{command}')) {
      if (whole !== '{command}') return { problem: '{command} stands for several words, so it must be a word of its own' }
      words.push('command')
      continue
    }
    const parts: Part[] = []
    for (const piece of pieces) {
      const read = piece.literal ? [{ text: piece.text }] : partsOf(piece.text)
      if ('problem' in read) return read
      parts.push(...read)
    }
    for (const part of parts) if ('placeholder' in part) names.add(part.placeholder)
    words.push(parts)
  }
  const commands = words.filter((word) => word === 'command').length
  if (commands !== 1) return { problem: `{command} must stand in it once, not ${commands} times` }
  return { words, names }
}

/** The template as a line of shell that has every placeholder's value in a variable, and the command in its positional parameters. */
export function launchLine({ words }: LaunchTemplate): string {
  return words.map((word) => (word === 'command' ? '"$@"' : word.map(shellOf).join('') || "''")).join(' ')
}

/** The variable of the script that holds a placeholder's value. */
export const variableOf = (placeholder: Placeholder): string => `pman_${placeholder}`

/** One word of shell that stands for this text, byte for byte. The text holds no NUL. */
export const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

function shellOf(part: Part): string {
  if ('text' in part) return part.text === '' ? '' : quoted(part.text)
  return 'placeholder' in part ? `"\${${variableOf(part.placeholder)}}"` : `"\${${part.variable}-}"`
}

function partsOf(text: string): Part[] | { problem: string } {
  const parts: Part[] = []
  let end = 0
  for (const { 0: whole, 1: name, 2: variable, index } of text.matchAll(PIECE)) {
    parts.push({ text: text.slice(end, index) })
    end = index + whole.length
    const placeholder = PLACEHOLDERS.find((one) => one === name)
    if (placeholder !== undefined) parts.push({ placeholder })
    else if (variable !== undefined) parts.push({ variable })
    else return { problem: `there is no {${name ?? ''}}; there are {command}, ${PLACEHOLDERS.map((one) => `{${one}}`).join(', ')}` }
  }
  parts.push({ text: text.slice(end) })
  const stray = parts.some((part) => 'text' in part && part.text.includes('$'))
  return stray ? { problem: 'a $ that begins no name of a variable must stand in single quotes' } : parts
}

/** A stretch of a word; `literal`: it stood in single quotes, and nothing in it is a placeholder or a variable. */
interface Piece {
  text: string
  literal: boolean
}

/** Words as a shell would split them, by blanks, with '…' and "…". */
function splitWords(text: string): { words: Piece[][] } | { problem: string } {
  const words: Piece[][] = []
  const token = /(\s+)|'([^']*)'|"([^"\\`]*)"|([^\s'"]+)/gy
  let word: Piece[] | undefined
  while (token.lastIndex < text.length) {
    const at = token.lastIndex
    const found = token.exec(text)
    if (found === null) return { problem: `a quote is not closed, or has a \\ or \` in it: ${text.slice(at, at + 20)}` }
    const [, blank, single, double, bare] = found
    if (blank !== undefined) {
      word = undefined
      continue
    }
    const sign = SHELL.exec(bare ?? '')?.[0]
    if (sign !== undefined) return { problem: `${sign} must stand in quotes: this is not a shell's line; that goes into prologue` }
    if (word === undefined) words.push((word = []))
    word.push({ text: single ?? double ?? bare ?? '', literal: single !== undefined })
  }
  return { words }
}
