import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..')

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const under = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)

/** The pages that people read, by their paths. */
export const PAGES: readonly string[] = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...under('docs')].sort()

const FENCE = /^( *)```(\w*)\n([^]*?)^ *```$/gm

/** The fenced blocks of a page in these languages. */
export const blocks = (text: string, ...languages: string[]): string[] =>
  [...text.matchAll(FENCE)].filter(([, , language = '']) => languages.includes(language)).map(([, , , block = '']) => block)

/** A page without its fenced blocks. */
export const prose = (text: string): string => text.replace(FENCE, '')

/** What stands between backticks, outside of fenced blocks. */
export const codeSpans = (text: string): string[] => [...prose(text).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)

/** Where the links of a page lead that are not to other sites: a path from the root, and an anchor if there is one. */
export function links(page: string): { path: string; anchor: string | undefined }[] {
  const targets = [...prose(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor] = target.split('#')
      return { path: path === '' ? page : normalize(join(dirname(page), path)), anchor }
    })
}

/** The anchors that GitHub makes of a page's headings. */
export const anchors = (text: string): string[] =>
  [...prose(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'),
  )

/** The cells of the table whose head begins with this cell, row by row, without the head. Throws if there is none. */
export function table(text: string, head: string): string[][] {
  const lines = text.split('\n')
  const begin = lines.findIndex((line, at) => line.startsWith(`| ${head} |`) && /^\|[ :|-]+$/.test(lines[at + 1] ?? ''))
  if (begin < 0) throw new Error(`there is no table that begins with '${head}'`)
  const rest = lines.slice(begin + 2)
  const end = rest.findIndex((line) => !line.startsWith('|'))
  return rest.slice(0, end < 0 ? rest.length : end).map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim()))
}

/** The words between backticks in a cell. */
export const words = (cell: string | undefined): string[] => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)
