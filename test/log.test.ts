import { inspect } from 'node:util'
import fc from 'fast-check'

import type { CallLog } from '../lib/backends/contract.ts'
import { newToken } from '../lib/http/tokens.ts'
import { logger, logFrom, printable, rootLog, Secret } from '../lib/log.ts'

function setUp(...[ids, least]: [Parameters<typeof logger>[2]?, Parameters<typeof logger>[3]?]) {
  const lines: string[] = []
  const log = logger((line) => lines.push(line), () => Date.UTC(2026, 0, 2), ids, least)
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

/** The line that these fields make. */
function lineOf(fields: Record<string, unknown>): string {
  const { log, lines } = setUp()
  log('event', fields)
  return lines.join()
}

describe('a line', () => {
  test('is JSON in one line: time, level, event, ids, fields', () => {
    const { log, lines, parsed } = setUp({ fn: 'submit' })
    log.child({ reqId: 'r1' }).child({ jid: 'a\nb', generation: 2 })('created', { ms: 5, reqs: [1] })
    expect(lines[0]).not.toContain('\n')
    expect(Object.entries(parsed()[0] ?? {})).toEqual(
      Object.entries({
        ...{ ts: '2026-01-02T00:00:00.000Z', level: 'info', event: 'created' },
        ...{ fn: 'submit', reqId: 'r1', jid: 'a\nb', generation: 2, ms: 5, reqs: [1] },
      }),
    )
  })

  test('has a level, and those below the least are left out, for children too', () => {
    const { log, parsed } = setUp({}, () => 'warn')
    for (const one of [log, log.child({ jid: 'a' })]) {
      one('a')
      one.warn('b')
      one.error('c')
    }
    expect(parsed().map(({ level, event }) => [level, event])).toEqual([['warn', 'b'], ['error', 'c'], ['warn', 'b'], ['error', 'c']])
  })

  test('has the ids of its own log alone', () => {
    const { log, parsed } = setUp({ fn: 'a' })
    log.child({ jid: 'x' })('one')
    log('two')
    expect(parsed()[1]).not.toHaveProperty('jid')
  })

  test('takes an id from a field, and never loses its own names', () => {
    const { log, parsed } = setUp({ jid: 'a' })
    log('real', { jid: 'b', event: 'false', level: 'x', ts: 0 })
    expect(parsed()[0]).toMatchObject({ event: 'real', level: 'info', jid: 'b', event_: 'false', level_: 'x', ts_: 0 })
  })

  test('can be written where a driver logs', () => {
    const { log, parsed } = setUp({ ref: 'r' })
    const callLog: CallLog = log
    callLog('asked')
    expect(parsed()[0]).toMatchObject({ event: 'asked', ref: 'r' })
  })

  test('that cannot be written fails nobody', () => {
    const full = () => {
      throw new Error('disk full')
    }
    expect(() => logger(full, () => 0)('event')).not.toThrow()
    expect(() => logger(() => undefined, full)('event')).not.toThrow()
    expect(() => logger(() => undefined, () => NaN).error('event')).not.toThrow()
  })

  test('of the process can be silenced by level', () => {
    const written: string[] = []
    const write = process.stdout.write.bind(process.stdout)
    process.stdout.write = (text: Uint8Array | string) => written.push(String(text)) > 0
    try {
      logFrom('error')
      rootLog.child({ fn: 'x' }).warn('quiet')
      logFrom('warn')
      rootLog.child({ fn: 'x' }).warn('loud')
    } finally {
      process.stdout.write = write
      logFrom('info')
    }
    expect(written).toEqual([expect.stringMatching(/^\{"ts":.*"event":"loud","fn":"x"\}\n$/)])
  })
})

const PLANTED = 'hunter2hunter2hunter2'
const TOKEN = newToken()
const jwt = `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(PLANTED).toString('base64url')}.c2lnbmF0dXJl`

describe('a planted secret is not in the line', () => {
  const names = [
    ...['secret', 'token', 'password', 'authorization', 'cookie', 'key', 'credential', 'passwd', 'passphrase', 'keys'],
    ...['Authorization', 'X-SLURM-USER-TOKEN', 'set-cookie', 'apiKey', 'api_key', 'APIKey', 'apikey', 'accesstoken', 'sshKey'],
    ...['AWS_SECRET_ACCESS_KEY', 'clientSecret', 'mypassword', 'tokensSecret', 'credentials', 'bearer'],
    ...['private-key', 'encryption.key', 'jwt'],
  ]
  test.each(names)('as %s', (name) => {
    const { log, lines } = setUp()
    const error = Object.assign(new Error('refused'), { [name]: PLANTED, cause: { [name]: PLANTED } })
    log('a', { [name]: PLANTED })
    log('b', { deep: { list: [{ [name]: [PLANTED] }] }, map: new Map([[name, PLANTED]]), error })
    log('c', { header: [name, PLANTED], argv: ['run', `--${name}`, PLANTED], pair: { name, value: PLANTED } })
    log('d', { [name]: { inner: PLANTED }, query: new Map([[name, new Set([PLANTED])]]) })
    expect(lines).toHaveLength(4)
    expect(lines.join()).not.toContain('hunter2')
    expect(lines.join()).toContain('<REDACTED>')
  })

  const places: [what: string, value: unknown][] = [
    ['a URL', `https://me:${PLANTED}@host/path`],
    ['a URL without a user', `https://:${PLANTED}@host`],
    ['a URL without a password', `https://${PLANTED}@host:8080/a`],
    ['a URL with an @ in it', `https://me:a@${PLANTED}@host/`],
    ['a URL with a slash in it', `https://me:a/${PLANTED}@host/`],
    ['a URL inside a text', `cannot reach (http://me:${PLANTED}@host:1/x), again`],
    ['a URL object', new URL(`https://me:${PLANTED}@host/`)],
    ['a query', `https://host/a?x=1&access_token=${PLANTED}&y=2`],
    ['a signed URL', `https://host/a?X-Amz-Signature=${PLANTED}`],
    ['Bearer', `authorization: Bearer ${PLANTED}`],
    ['bearer in a command', `curl -H "Authorization: bearer ${PLANTED}"`],
    ['Basic', `Basic ${PLANTED}=`],
    ['a header', `X-SLURM-USER-TOKEN: ${PLANTED}`],
    ['a cookie', `Cookie: a=1; b=${PLANTED}`],
    ['JSON', JSON.stringify({ password: `a"${PLANTED}`, user: 'x' })],
    ['JSON in JSON', JSON.stringify({ body: JSON.stringify({ 'refresh-token': PLANTED }) })],
    ['a form', `password=${PLANTED}`],
    ['a JSON web token', `got ${jwt}!`],
    ['a private key', `-----BEGIN RSA PRIVATE KEY-----\n${PLANTED}\n-----END RSA PRIVATE KEY-----`],
    ['a Secret', new Secret(PLANTED)],
    ['a key of an object', { [`https://me:${PLANTED}@host`]: 1 }],
    ['a key of a map', new Map([[`Bearer ${PLANTED}`, 1]])],
    ['an error', new Error(`cannot reach https://me:${PLANTED}@host`)],
    ['a cause', new Error('no', { cause: new Error(`Bearer ${PLANTED}`) })],
    ['errors in one', new AggregateError([new Error(`Bearer ${PLANTED}`)])],
    ['bytes', Buffer.from(PLANTED)],
    ['a function', Object.assign(() => PLANTED, { toString: () => PLANTED })],
    ['what prints itself', { toJSON: () => PLANTED, toString: () => PLANTED, [inspect.custom]: () => PLANTED }],
    ['beyond a cut', `${'x '.repeat(990)}https://me:${PLANTED.repeat(20)}@host`],
    ['after much that is cut out', `Bearer ${'y'.repeat(5_000)} https://me:${PLANTED.repeat(20)}@host`],
  ]
  test.each(places)('in %s', (_, value) => {
    const line = lineOf({ value, list: [value], error: new Error('x', { cause: value }) })
    expect(line).not.toContain('hunter2')
    expect(line).not.toContain(Buffer.from(PLANTED).toString('base64url'))
    expect(line).toContain('"event":"event"')
  })

  test('in the event or an id', () => {
    const { log, lines } = setUp({ jid: `Bearer ${PLANTED}` })
    log(`https://me:${PLANTED}@host`)
    expect(lines).toHaveLength(1)
    expect(lines.join()).not.toContain('hunter2')
  })

  test('a token of ours, wherever it stands', () => {
    const line = lineOf({ a: TOKEN, b: `"${TOKEN}"`, c: `/x/${TOKEN}/y`, [`x ${TOKEN}`]: 1 })
    expect(line).not.toContain(TOKEN.slice(5, 25))
  })

  const envs: [env: unknown, shown: unknown][] = [
    [[`A=${PLANTED}`, `B_C=${PLANTED}=x`], ['A=<REDACTED>', 'B_C=<REDACTED>']],
    [`A=${PLANTED}`, 'A=<REDACTED>'],
    [PLANTED, '<REDACTED>'],
    [[PLANTED, 5], ['<REDACTED>', '<REDACTED>']],
    [{ A: PLANTED, name: PLANTED }, { A: '<REDACTED>', name: '<REDACTED>' }],
    [new Map([['A', PLANTED]]), { A: '<REDACTED>' }],
    [[{ name: 'A', value: PLANTED, valueFrom: { x: PLANTED } }], [{ name: 'A', value: '<REDACTED>' }]],
    [[[`A=${PLANTED}`]], ['<REDACTED>']],
  ]
  test.each(envs)('of an environment only the names are shown: %j', (env, shown) => {
    for (const name of ['env', 'containerEnv', 'environment', 'JOB_ENV']) expect(printable({ [name]: env })).toEqual({ [name]: shown })
  })
})

describe('what is no secret is shown', () => {
  const shown: Record<string, unknown>[] = [
    { jobKey: 'hpc#a', specKey: 'spec#1', partition_key: 'x', 'sort-key': 'y', keyboard: 'z', monkey: 'm', keyCount: 3, keyed: 'k' },
    { name: 'pman/tokens', author: 'me', basics: 1, environmentally: 'ok', enva: 'x', envelope: 'e' },
    { url: 'https://host:8080/path@x?q=1', mail: 'me@example.org' },
    { image: 'ghcr.io/a/b@sha256:0123', digest: 'docker://ghcr.io/a/b@sha256:0123' },
    { text: 'a key, a secret and a token walk into a bar', ratio: 0.5, none: null, yes: true },
    { hasToken: true, secret: null, tokenMissing: false },
    { ref: 'a'.repeat(64), jid: 'j'.repeat(255) },
  ]
  test.each(shown)('%j', (fields) => {
    expect(printable(fields)).toEqual(fields)
  })

  test('secret ids are shown short', () => {
    expect(printable({ epoch: '0123456789abcdef', writeId: 'abcdefghijkl', specHash: 'fedcba9876543210', nonce: 'abc' })).toEqual({
      epoch: '012345…',
      writeId: 'abcdef…',
      specHash: 'fedcba…',
      nonce: 'abc',
    })
  })
})

describe('what is too much is cut', () => {
  test('long texts keep their beginning, stacks their end', () => {
    expect(printable(`ab${'c'.repeat(10_000)}`)).toMatch(/^abc{1998}<SNIP>$/)
    const error = new Error('x'.repeat(10_000))
    error.stack = `Error: ${'x'.repeat(10_000)}\n    at caller (file.ts:1:2)`
    const printed = printable(error) as { message: string; stack: string }
    expect(printed.message).toMatch(/<SNIP>$/)
    expect(printed.stack).toMatch(/^<SNIP>x+\n {4}at caller \(file\.ts:1:2\)$/)
  })

  test('wide and deep objects', () => {
    const wide = printable(Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`n${index}`, index]))) as object
    expect(Object.keys(wide)).toHaveLength(51)
    expect(wide).toHaveProperty('<SNIP>')
    expect((printable(Array(1_000).fill(1)) as unknown[]).slice(-2)).toEqual([1, '<SNIP>'])
    expect(printable(new Set(Array.from({ length: 60 }, (_, index) => index)))).toHaveLength(51)
    expect(printable({ a: { b: { c: { d: { e: { f: { g: 1 } } } } } } })).toEqual({ a: { b: { c: { d: { e: { f: '<SNIP>' } } } } } })
  })

  test('wide and deep together stay small', () => {
    const grow = (depth: number): unknown => (depth === 0 ? 'leaf' : Array(20).fill(grow(depth - 1)))
    expect(JSON.stringify(printable(grow(6))).length).toBeLessThan(100_000)
  })

  test('a text that wants to be slow takes linear time', () => {
    const urls = ['a://b:', '://', '@:']
    const words = ['bearer ', 'token=', '"password": "', '\\"', 'eyJ', 'pman_', 'a.', 'cookie: ', '-key : ', ' ', '-----BEGIN PRIVATE KEY']
    const timeOf = (text: string) => {
      const begun = process.hrtime.bigint()
      printable(text)
      return Number(process.hrtime.bigint() - begun)
    }
    for (const seed of [...urls, ...words]) {
      timeOf(seed.repeat(1_000))
      // 16 times the text: quadratic would be 256 times the time.
      const [small, large] = [10_000, 160_000].map((length) => Math.min(...[1, 2, 3].map(() => timeOf(seed.repeat(length / seed.length)))))
      expect({ seed, ratio: (large ?? 0) / Math.max(small ?? 0, 200_000) < 120 }).toEqual({ seed, ratio: true })
    }
  })
})

describe('it never throws', () => {
  const cycle: { name: string; self?: unknown; list?: unknown } = { name: 'a' }
  cycle.self = cycle
  cycle.list = [cycle]
  const throwing = {
    get bad(): string {
      throw new Error('no')
    },
    good: 1,
  }
  const no = () => {
    throw new Error('no')
  }
  const hostile = new Proxy({}, { ownKeys: no, get: no, getPrototypeOf: no })
  const odd: [value: unknown, shown: unknown][] = [
    [cycle, { name: 'a', self: '<CYCLE>', list: ['<CYCLE>'] }],
    [throwing, { bad: '<UNREADABLE>', good: 1 }],
    [hostile, '<UNREADABLE>'],
    [{ env: hostile }, { env: '<UNREADABLE>' }],
    [10n, '10'],
    [Symbol('s'), 'Symbol(s)'],
    [NaN, 'NaN'],
    [-Infinity, '-Infinity'],
    [undefined, undefined],
    [() => 1, '<function>'],
    [new Date(NaN), 'Invalid Date'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Uint8Array(3), '<3 bytes>'],
    [JSON.parse('{"__proto__": {"a": 1}}'), JSON.parse('{"__proto__": {"a": 1}}')],
    [Object.create(null), {}],
    [new Map([[{}, 1]]), { '<object>': 1 }],
    [/a/g, '/a/g'],
  ]
  test.each(odd.map(([value, shown], index) => ({ index, value, shown })))('odd value $index', ({ value, shown }) => {
    expect(printable(value)).toEqual(shown)
    expect(lineOf({ value })).toContain('"event":"event"')
  })

  test('the same object twice is no cycle', () => {
    const shared = { a: 1 }
    expect(printable([shared, shared])).toEqual([shared, shared])
  })

  test('whatever it is given, a line of JSON comes out', () => {
    const all = { withBigInt: true, withDate: true, withMap: true, withSet: true }
    fc.assert(
      fc.property(fc.anything({ ...all, withNullPrototype: true, withTypedArray: true, withSparseArray: true }), (value) => {
        expect(JSON.parse(lineOf({ value }))).toMatchObject({ event: 'event' })
      }),
    )
  })
})

test('a Secret prints as nothing anywhere, and gives itself to who asks', () => {
  const secret = new Secret(PLANTED)
  const prints = [String(secret), JSON.stringify({ secret }), inspect(secret), inspect({ secret }, { showHidden: true, depth: 9 })]
  expect(prints.join()).not.toContain(PLANTED)
  expect(secret.reveal()).toBe(PLANTED)
})
