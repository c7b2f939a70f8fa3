import fc from 'fast-check'

import { PmanError } from '../../lib/errors.ts'
import { findPrincipal, hashToken, newToken, parseCredentials, parseTokenTable, tokenEntry } from '../../lib/http/tokens.ts'

const basic = (pair: string) => `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`

describe('parseCredentials', () => {
  const read: [header: string | undefined, token: string | undefined][] = [
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER  abc ', 'abc'],
    ['Bearer constructor', 'constructor'],
    ['Bearer __proto__', '__proto__'],
    ['Bearer a:b%20c', 'a:b%20c'],
    [basic('user:abc'), 'abc'],
    [basic(':abc'), 'abc'],
    [basic('any one at all:abc'), 'abc'],
    [basic('user:a:b:c'), 'a:b:c'],
    [basic('user::'), ':'],
    [basic('user:a%3Ab%20c%'), 'a%3Ab%20c%'],
    [basic('user:abc').replace('Basic', 'bAsIc'), 'abc'],
    [basic('us:abcde').replaceAll('=', ''), 'abcde'],
    [undefined, undefined],
    ['', undefined],
    ['Bearer', undefined],
    ['Bearer ', undefined],
    ['abc', undefined],
    ['Token abc', undefined],
    ['Bearerabc', undefined],
    ['Bearer a b', undefined],
    ['Bearer a, Bearer b', undefined],
    ['Bearer a\u0000b', undefined],
    ['Bearer a\nb', undefined],
    ['Bearer tökén', undefined],
    ['Bearer 💥', undefined],
    [basic('user:tökén'), undefined],
    [basic('user'), undefined],
    [basic('user:'), undefined],
    [basic(''), undefined],
    [basic('user:a b'), undefined],
    ['Basic !!!!', undefined],
    ['Basic dXNlcjphYmM=====', undefined],
    [`Bearer ${'a'.repeat(1024)}`, 'a'.repeat(1024)],
    [`Bearer ${'a'.repeat(1025)}`, undefined],
    [`Bearer ${'a'.repeat(10_000_000)}`, undefined],
    [`Bearer${' '.repeat(10_000_000)}a`, undefined],
    [basic(`user:${'a'.repeat(5_000)}`), undefined],
  ]
  test.each(read.map(([header, token]) => ({ shown: header?.slice(0, 40), header, token })))('$shown', ({ header, token }) => {
    expect(parseCredentials(header)).toBe(token)
  })

  test('a token comes back in either form, byte for byte', () => {
    const tokens = fc.stringMatching(/^[\x21-\x7e]{1,100}$/)
    const users = fc.string({ unit: 'binary', maxLength: 50 }).filter((user) => !user.includes(':'))
    fc.assert(
      fc.property(tokens, users, (token, user) => {
        expect(parseCredentials(`Bearer ${token}`)).toBe(token)
        expect(parseCredentials(basic(`${user}:${token}`))).toBe(token)
      }),
    )
  })

  test('nothing that is sent makes it throw', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void [text, `Basic ${text}`, `Bearer ${text}`].map(parseCredentials)))
  })
})

describe('the table', () => {
  const token = newToken()
  const table = (...tokens: unknown[]) => parseTokenTable(JSON.stringify({ tokens }))
  const pfcon = tokenEntry(token, { name: 'pfcon', scopes: ['read', 'write'], computes: ['hpc'] })

  test('finds its callers by their tokens', () => {
    const other = newToken()
    const two = table(pfcon, tokenEntry(other, { name: 'console', scopes: ['read'] }))
    expect(findPrincipal(two, token)).toEqual({ name: 'pfcon', scopes: ['read', 'write'], computes: ['hpc'] })
    expect(findPrincipal(two, other)).toEqual({ name: 'console', scopes: ['read'] })
  })

  const strangers: Record<string, string> = {
    ...Object.fromEntries(['constructor', '__proto__', 'toString', 'size', '', 'tökén'].map((word) => [`"${word}"`, word])),
    'a huge one': 'a'.repeat(1_000_000),
    'the hash of a token': pfcon.sha256,
    'a token of nobody': newToken(),
  }
  test.each(Object.entries(strangers))('lets nobody in by %s', (_, stranger) => {
    expect(findPrincipal(table(pfcon), stranger)).toBeUndefined()
    expect(findPrincipal(table(), stranger)).toBeUndefined()
  })

  test('a hash in capitals is the same hash', () => {
    expect(findPrincipal(table({ ...pfcon, sha256: pfcon.sha256.toUpperCase() }), token)?.name).toBe('pfcon')
  })

  const bad: [entry: unknown, problem: string][] = [
    [null, 'tokens[1]: entry: '],
    ['x', 'tokens[1]: entry: '],
    [{ ...pfcon, name: undefined }, 'tokens[1]: name: '],
    [{ ...pfcon, name: 'a\nb' }, 'tokens[1]: name: must be 1 to 64'],
    [{ ...pfcon, name: pfcon.sha256 }, 'tokens[1]: name: must be a name'],
    [{ ...pfcon, name: token }, 'tokens[1]: name: must be a name'],
    [{ ...pfcon, sha256: token }, 'tokens[1] (pfcon): sha256: must be the SHA-256'],
    [{ ...pfcon, sha256: `${pfcon.sha256}0` }, 'tokens[1] (pfcon): sha256: must be the SHA-256'],
    [{ ...pfcon, sha256: undefined }, 'tokens[1] (pfcon): sha256: '],
    [{ ...pfcon, scopes: [] }, 'tokens[1] (pfcon): scopes: must hold'],
    [{ ...pfcon, scopes: ['admin'] }, 'tokens[1] (pfcon): scopes.0: must be read or write'],
    [{ ...pfcon, scopes: 'read' }, 'tokens[1] (pfcon): scopes: '],
    [{ ...pfcon, computes: [] }, 'tokens[1] (pfcon): computes: must name a compute'],
    [{ ...pfcon, computes: ['A B'] }, 'tokens[1] (pfcon): computes.0: must be the name of a compute'],
    [{ ...pfcon, [pfcon.sha256]: 1 }, 'tokens[1] (pfcon): has other keys'],
    [JSON.parse(`{"__proto__": {"name": "x"}, "name": "pfcon"}`), 'tokens[1] (pfcon): '],
    [{ ...pfcon, name: 'twin' }, 'tokens[1] (twin): has the same token as pfcon'],
  ]
  test.each(bad.map(([entry, problem]) => ({ entry, problem })))('refuses: $problem', ({ entry, problem }) => {
    const error = thrownBy(() => table(pfcon, entry))
    expect(error.code).toBe('config')
    expect(error.message.split('\n')).toContainEqual(expect.stringContaining(problem))
    const shown = `${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`
    expect([pfcon.sha256, token].filter((secret) => shown.includes(secret))).toEqual([])
  })

  test('tells of every bad entry', () => {
    expect(thrownBy(() => table({ ...pfcon, scopes: [] }, pfcon, { ...pfcon, name: '', computes: [] })).message.split('\n')).toHaveLength(3)
  })

  test('refuses what is no table without repeating it', () => {
    const texts = ['', 'null', '[]', '{}', '{"tokens": {}}', '{"tokens": [], "more": 1}', `{"tokens": [{"sha256": "${pfcon.sha256}"`]
    for (const text of texts) {
      const error = thrownBy(() => parseTokenTable(text))
      expect(error.code).toBe('config')
      expect(error.message).toMatch(/^the tokens secret must be JSON/)
      expect(`${error.stack} ${String(error.cause)}`).not.toContain(pfcon.sha256)
    }
  })
})

describe('new tokens', () => {
  test('are safe in URLs and headers, 256 bits long, and differ', () => {
    const tokens = Array.from({ length: 100 }, newToken)
    for (const token of tokens) {
      expect(token).toMatch(/^pman_[A-Za-z0-9_-]{43}$/)
      expect(parseCredentials(basic(`pfcon:${token}`))).toBe(token)
    }
    expect(new Set(tokens).size).toBe(tokens.length)
  })

  test('are kept as their hash alone', () => {
    const token = newToken()
    const entry = tokenEntry(token, { name: 'pfcon', scopes: ['read'] })
    expect(entry).toEqual({ name: 'pfcon', scopes: ['read'], sha256: hashToken(token) })
    expect(JSON.stringify(entry)).not.toContain(token)
  })

  test('belong to a caller that the table takes', () => {
    expect(thrownBy(() => tokenEntry(newToken(), { name: '', scopes: [] })).message.split('\n')).toHaveLength(2)
  })

  test('the hash is SHA-256', () => {
    expect(hashToken('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})

function thrownBy(work: () => unknown): PmanError {
  try {
    work()
  } catch (error) {
    if (error instanceof PmanError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
