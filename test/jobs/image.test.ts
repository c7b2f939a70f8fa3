import fc from 'fast-check'
import { imageAllowed, imageProblem } from '../../lib/jobs/image.ts'

const SHA256 = `sha256:${'a1'.repeat(32)}`

describe('an image that can be asked for', () => {
  test.each([
    'a',
    'alpine',
    'alpine:3.20',
    'fnndsc/pl-dircopy',
    'docker.io/fnndsc/pl-dircopy:2.1.2',
    'localhost/a',
    'localhost:5000/a/b/c:latest',
    '127.0.0.1:5000/a',
    '[::1]:5000/a',
    '[2001:db8::1]/a',
    'registry.example.org:5000/a',
    'Registry.Example.org/a',
    'a.b/c',
    'my_app',
    'my__app',
    'my---app',
    'my.app/x-y_z.0',
    'a:A_b-c.D',
    `a:${'t'.repeat(128)}`,
    `a@${SHA256}`,
    `a:1@${SHA256}`,
    `a@sha512:${'0'.repeat(128)}`,
    `a@sha384:${'0'.repeat(96)}`,
    'a'.repeat(255),
    'a1'.repeat(31),
  ])('%s', (image) => {
    expect(imageProblem(image)).toBeUndefined()
  })
})

describe('an image that is refused', () => {
  test.each<[string, string, RegExp]>([
    ['empty', '', /empty/],
    ['upper case', 'fnndsc/PL-dircopy', /lower case/],
    ['upper case before the first slash, without a dot', 'Fnndsc/pl-dircopy', /lower case/],
    ['upper case digest', `a@${SHA256.toUpperCase()}`, /lower case/],
    ['an empty tag', 'a:', /valid/],
    ['an empty digest', 'a@', /valid/],
    ['a tag that begins with a dot', 'a:.b', /valid/],
    ['a tag of 129', `a:${'t'.repeat(129)}`, /valid/],
    ['two tags', 'a:b:c', /valid/],
    ['a short digest', 'a@sha256:abc', /valid/],
    ['an unknown digest', `a@md5:${'0'.repeat(32)}`, /valid/],
    ['a leading slash', '/a', /valid/],
    ['a trailing slash', 'a/', /valid/],
    ['an empty component', 'a//b', /valid/],
    ['a leading separator', '-a', /valid/],
    ['an option', '--privileged', /valid/],
    ['a trailing separator', 'a-', /valid/],
    ['three underscores', 'a___b', /valid/],
    ['two dots', 'a..b', /valid/],
    ['parent directories', '../a', /valid/],
    ['mixed separators', 'a_.b', /valid/],
    ['a host that begins with a dash', '-a.b/c', /valid/],
    ['a scheme', 'docker://a', /valid/],
    ['a space', 'a b', /valid/],
    ['a space around it', ' a ', /valid/],
    ['a newline at the end', 'a\n', /valid/],
    ['a newline and a WDL attribute', 'a"\nruntime', /valid/],
    ['not ASCII', 'à', /valid/],
    ['an image id', 'a1'.repeat(32), /id/],
    ['a name of 256', 'a'.repeat(256), /255/],
    ['a name of 256 with its host', `h.io/${'a'.repeat(251)}`, /255/],
    ['a megabyte', 'a'.repeat(1 << 20), /characters/],
  ])('%s', (_, image, problem) => {
    expect(imageProblem(image)).toMatch(problem)
  })

  test.each(['a-', 'a.', 'A-', '[:', 'a_', 'a', 'a/', 'a-.'])('long nonsense of %s, without searching for ever', (piece) => {
    expect(imageProblem(`${piece.repeat(125)}!`)).toMatch(/valid/)
  })
})

describe('the allow-list', () => {
  test.each<[string, string, boolean]>([
    ['fnndsc/pl-dircopy:1', 'fnndsc/*', true],
    ['fnndsc/pl-dircopy:1', 'fnndsc/pl-dircopy:1', true],
    ['fnndsc/pl-dircopy:1', 'fnndsc/pl-dircopy', false],
    ['fnndsc/pl-dircopy:1', 'fnndsc/pl-*:1', true],
    ['evil/fnndsc/a', 'fnndsc/*', false],
    ['fnndsc/a/b', 'fnndsc/*', false],
    ['fnndsc/a/b', 'fnndsc/**', true],
    ['ghcr.io/x/y/z:1', 'ghcr.io/**:1', true],
    ['ghcrXio/a', 'ghcr.io/*', false],
    ['aab', 'a+b', false],
    ['a', '.*', false],
    ['a', '*', true],
    ['a/b', '*', false],
    ['a/b', '**', true],
    ['ab', 'a|ab', false],
    ['b', '[a-c]', false],
    ['', '', true],
  ])('%s by %s: %s', (image, pattern, allowed) => {
    expect(imageAllowed(image, [pattern])).toBe(allowed)
  })

  test('one pattern of several is enough, none allow nothing', () => {
    expect(imageAllowed('b/x', ['a/*', 'b/*'])).toBe(true)
    expect(imageAllowed('b/x', [])).toBe(false)
  })

  test('a pattern without stars matches itself alone', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, other) => {
        fc.pre(!text.includes('*'))
        expect(imageAllowed(text, [text])).toBe(true)
        expect(imageAllowed(other, [text])).toBe(other === text)
      }),
    )
  })
})
