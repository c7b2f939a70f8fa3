const MAX_CODE_POINTS = 255

/** What no HTTP client could address in a path, and controls: C0, DEL, C1. */
const FORBIDDEN = /[/\\?#%\p{Cc}]/u
const LONE_SURROGATE = /\p{Cs}/u

/** The jid that a caller means: one leading `/` is dropped, as pman did. */
export const normaliseJid = (raw: string): string => (raw.startsWith('/') ? raw.slice(1) : raw)

/** What is wrong with a job id, as `normaliseJid` gave it, and what would be right; undefined: nothing. */
export function jidProblem(jid: string): string | undefined {
  if (jid === '') return 'must not be empty'
  if (jid === '.' || jid === '..') return 'must not be "." or "..": no HTTP client could address it'
  if (LONE_SURROGATE.test(jid)) return 'must be well-formed Unicode'
  if (FORBIDDEN.test(jid)) return 'must not contain / \\ ? # % or control characters'
  return Array.from(jid).length > MAX_CODE_POINTS ? `must have at most ${MAX_CODE_POINTS} characters` : undefined
}
