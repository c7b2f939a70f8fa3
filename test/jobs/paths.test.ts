import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import fc from 'fast-check'
import { PmanError } from '../../lib/errors.ts'
import { normalisePath, relativePathProblem, resolveInside } from '../../lib/jobs/paths.ts'

test.each([
  ['a/b', 'a/b'],
  ['/a/b', 'a/b'],
  ['a/b/', 'a/b'],
  ['a//b', 'a/b'],
  ['./a/./b', 'a/b'],
  ['//a', '/a'],
  ['/', ''],
  ['.', ''],
  ['', ''],
  ['../a', '../a'],
  [' a ', ' a '],
])('%j means %j', (raw, path) => {
  expect(normalisePath(raw)).toBe(path)
})

describe('a path', () => {
  test.each<[string, string]>([
    ['of one segment', 'a'],
    ['of several', 'key-a/incoming'],
    ['with dots in a name', 'a..b/...'],
    ['with a colon, a comma, spaces, quotes', `a:b/c,d/e f/g'h"`],
    ['of other scripts', 'données/数据/😀'],
    ['of 4096 bytes', 'a/'.repeat(2047) + 'aa'],
  ])('%s is taken', (_, path) => {
    expect(relativePathProblem(path)).toBeUndefined()
  })

  test.each<[string, string, RegExp]>([
    ['empty', '', /below/],
    ['the storebase itself', '.', /below/],
    ['absolute', '/etc', /relative/],
    ['two dots', '..', /"\.\."/],
    ['two dots first', '../../etc', /"\.\."/],
    ['two dots inside', 'a/../b', /"\.\."/],
    ['two dots last', 'a/..', /"\.\."/],
    ['NUL', 'a\0', /control/],
    ['a newline', 'a\nb', /control/],
    ['DEL', 'a\x7f', /control/],
    ['C1', 'a\x85', /control/],
    ['half a surrogate pair', 'a\ud800', /well-formed/],
    ['4097 bytes', 'é'.repeat(2048) + 'a', /4096/],
  ])('%s is refused', (_, path, problem) => {
    expect(relativePathProblem(path)).toMatch(problem)
  })

  test('that is taken stays below any base', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom('.', '..', '', '/'), fc.string({ maxLength: 3 })), { maxLength: 6 }), (segments) => {
        const path = normalisePath(segments.join('/'))
        fc.pre(relativePathProblem(path) === undefined)
        expect(posix.join('/base', path)).toBe(`/base/${path}`)
      }),
    )
  })
})

describe('resolved in a storebase', () => {
  let home: string
  let base: string

  beforeAll(async () => {
    home = await realpath(await mkdtemp(join(tmpdir(), 'paths-')))
    base = join(home, 'base')
    await mkdir(join(base, 'a', 'b'), { recursive: true })
    await mkdir(join(home, 'base-other'))
    await writeFile(join(base, 'file'), '')
    await symlink('a/b', join(base, 'inward'))
    await symlink('/etc', join(base, 'out'))
    await symlink('..', join(base, 'up'))
    await symlink('../../base-other', join(base, 'a', 'sibling'))
    await symlink('.', join(base, 'itself'))
    await symlink('loop', join(base, 'loop'))
    await symlink('nowhere', join(base, 'dangling'))
    await symlink(base, join(home, 'alias'))
  })
  afterAll(() => rm(home, { recursive: true }))

  test.each([
    ['a/b', 'a/b'],
    ['a/', 'a'],
    ['inward', 'a/b'],
  ])('%s is %s', async (path, real) => {
    expect(await resolveInside(base, path)).toEqual({ path: join(base, real) })
  })

  test('a base that is itself a link is followed', async () => {
    expect(await resolveInside(join(home, 'alias'), 'a')).toEqual({ path: join(base, 'a') })
  })

  test.each<[string, string, RegExp]>([
    ['a link out', 'out', /out of the storebase/],
    ['below a link out', 'out/ssl', /out of the storebase/],
    ['a link to the parent', 'up', /out of the storebase/],
    ['beside, by a link', 'up/base-other', /out of the storebase/],
    ['a link to a directory whose name begins alike', 'a/sibling', /out of the storebase/],
    ['a link to the storebase', 'itself', /out of the storebase/],
    ['nothing there', 'missing', /does not exist/],
    ['a link to nothing', 'dangling', /does not exist/],
    ['a file', 'file', /not a directory/],
    ['below a file', 'file/x', /not a directory/],
    ['a link to itself', 'loop', /loop/],
    ['a name of 300 bytes', 'x'.repeat(300), /too long/],
    ['two dots', '../base-other', /"\.\."/],
    ['an absolute path', '/etc', /relative/],
    ['NUL', 'a\0', /control/],
  ])('%s is refused', async (_, path, problem) => {
    const resolved = await resolveInside(base, path)
    expect('problem' in resolved && resolved.problem).toMatch(problem)
  })

  test('a storebase that is away is not the fault of the request, and is not named', async () => {
    const error: unknown = await resolveInside(join(home, 'away'), 'a').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(PmanError)
    expect(error).toMatchObject({ code: 'engine_unavailable', message: 'the storebase cannot be read (ENOENT)' })
  })
})
