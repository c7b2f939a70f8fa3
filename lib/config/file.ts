import { LineCounter, parseDocument } from 'yaml'

import { errorText } from '../errors.ts'
import type { Draft } from './environment.ts'

/** The text of computes.yml. Its syntax errors are told by line, without the line's text, which may hold what nobody should see. */
export function draftFromYaml(text: string): Draft {
  const lines = new LineCounter()
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines })
  const problems = [...document.errors, ...document.warnings].map(({ code, message, pos }) => {
    const { line, col } = lines.linePos(pos[0])
    return `computes.yml line ${line}, column ${col}: ${TEXTS[code] ?? message.split('\n', 1)[0]}`
  })
  const raw = problems.length > 0 ? undefined : content(document, problems)
  return { raw, says: (path) => path.map(String).join('.'), problems, warnings: [] }
}

/** Where the parser's own message says less than a person needs, or quotes the text. */
const TEXTS: Readonly<Partial<Record<string, string>>> = {
  DUPLICATE_KEY: 'this key is there twice',
  MULTIPLE_DOCS: 'the file must be one document, without ---',
  TAG_RESOLVE_FAILED: 'tags have no meaning here',
  UNEXPECTED_TOKEN: 'this is not YAML',
}

function content(document: ReturnType<typeof parseDocument>, problems: string[]): unknown {
  try {
    return document.toJS()
  } catch (error) {
    problems.push(`computes.yml: ${errorText(error)}`)
    return undefined
  }
}
