import fc from 'fast-check'
import { jidProblem, normaliseJid } from '../../lib/jobs/jid.ts'

describe('a jid that can be used', () => {
  test.each<[string, string]>([
    ['one character', 'a'],
    ['255 characters', 'j'.repeat(255)],
    ['255 code points that take two units each', '😀'.repeat(255)],
    ['dots that are more than a path segment', '...'],
    ['a leading dot', '.hidden'],
    ['spaces', 'my job'],
    ['quotes and shell signs', `a'b"c$d;e|f&g`],
    ['a colon, an at sign, a plus', 'a:b@c+d'],
    ['a no-break space', 'a\u00a0b'],
    ['a name of an object property', '__proto__'],
  ])('%s', (_, jid) => {
    expect(jidProblem(jid)).toBeUndefined()
  })
})

describe('a jid that is refused', () => {
  test.each<[string, string, RegExp]>([
    ['empty', '', /empty/],
    ['a dot', '.', /address/],
    ['two dots', '..', /address/],
    ['256 characters', 'j'.repeat(256), /255/],
    ['256 code points', '😀'.repeat(256), /255/],
    ['a slash', 'a/b', /must not contain/],
    ['a backslash', 'a\\b', /must not contain/],
    ['a question mark', 'a?b', /must not contain/],
    ['a hash', 'a#b', /must not contain/],
    ['a percent sign', 'a%2Fb', /must not contain/],
    ['NUL', 'a\0b', /must not contain/],
    ['a newline at the end', 'a\n', /must not contain/],
    ['the last of C0', 'a\x1f', /must not contain/],
    ['DEL', 'a\x7f', /must not contain/],
    ['the first of C1', 'a\x80', /must not contain/],
    ['the last of C1', 'a\x9f', /must not contain/],
    ['half a surrogate pair', 'a\ud800', /well-formed/],
    ['the other half', '\udc00a', /well-formed/],
  ])('%s', (_, jid, problem) => {
    expect(jidProblem(jid)).toMatch(problem)
  })
})

test.each([
  ['/a', 'a'],
  ['a', 'a'],
  ['//a', '/a'],
  ['/', ''],
  ['', ''],
  ['a/', 'a/'],
])('%j means %j', (raw, jid) => {
  expect(normaliseJid(raw)).toBe(jid)
})

test('whatever can be used survives a URL', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), (jid) => {
      fc.pre(jidProblem(jid) === undefined)
      const { pathname } = new URL(`http://h/api/v1/${encodeURIComponent(jid)}/`)
      expect(decodeURIComponent(pathname)).toBe(`/api/v1/${jid}/`)
    }),
  )
})
