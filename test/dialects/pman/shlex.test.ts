import fc from 'fast-check'
import { join, quote, split } from '../../../lib/dialects/pman/shlex.ts'

describe('split reads what Python 3.11 reads', () => {
  test.each<[string, string[]]>([
    ['', []],
    ['  ', []],
    ['a b', ['a', 'b']],
    [' a\t b\r\nc ', ['a', 'b', 'c']],
    ['a\vb\fc', ['a\vb\fc']],
    ["''", ['']],
    ["a'' ''", ['a', '']],
    ["'a b' c", ['a b', 'c']],
    ['"a b"c\'d e\'', ['a bcd e']],
    ['a\\ b', ['a b']],
    ['"a\\"b\\\\c\\d"', ['a"b\\c\\d']],
    ["'a\\b'", ['a\\b']],
    ['a\\\nb', ['a\nb']],
    ['"a\\\nb"', ['a\\\nb']],
    ['a#b # c', ['a#b', '#', 'c']],
    ["--dir='x y' $HOME `id` *", ['--dir=x y', '$HOME', '`id`', '*']],
    ['a;b|c&&d>e', ['a;b|c&&d>e']],
    [`'it'"'"'s'`, ["it's"]],
    ["é '😀 x'", ['é', '😀 x']],
    ['\u00a0a\u3000b', ['\u00a0a\u3000b']],
    ["\\'", ["'"]],
    ['\\"', ['"']],
    ['"\\\'"', ["\\'"]],
    ["'\n'", ['\n']],
  ])('%j', (line, words) => {
    expect(split(line)).toEqual({ value: words })
  })

  test.each([
    ["'a", /quotation/],
    ['a"b', /quotation/],
    ['"\'', /quotation/],
    ['a\\', /backslash/],
    ['"a\\', /backslash/],
  ])('%j is refused', (line, problem) => {
    const words = split(line)
    expect('problem' in words && words.problem).toMatch(problem)
  })
})

test.each([
  ['', "''"],
  ['a', 'a'],
  ['a b', "'a b'"],
  ["it's", `'it'"'"'s'`],
  ['%+=:,./-@_', '%+=:,./-@_'],
  ['é', "'é'"],
  ['$x', "'$x'"],
  ['a\nb', "'a\nb'"],
  ['~', "'~'"],
  ['#', "'#'"],
  ['\\', "'\\'"],
])('quote(%j) is what Python 3.11 writes', (word, quoted) => {
  expect(quote(word)).toBe(quoted)
})

const units = fc.array(fc.integer({ min: 1, max: 0xffff })).map((codes) => String.fromCharCode(...codes))
const shellish = fc.array(fc.constantFrom('"', "'", '\\', ' ', '\n', '\t', '\r', 'a', '$', '#')).map((chars) => chars.join(''))

test('what is quoted is split into the same words', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(units, shellish)), (words) => {
      expect(split(join(words))).toEqual({ value: words })
    }),
  )
})

test('any line is split or refused, and what it is split into joins to the same words', () => {
  fc.assert(
    fc.property(fc.oneof(units, shellish), (line) => {
      const words = split(line)
      if ('value' in words) expect(split(join(words.value))).toEqual(words)
      else expect(words.problem).not.toBe('')
    }),
  )
})
