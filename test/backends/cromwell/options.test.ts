import { cromwell } from '../../../lib/backends/cromwell/index.ts'
import { parseCredentials } from '../../../lib/backends/cromwell/options.ts'
import { Absence } from '../../../lib/backends/cromwell/absence.ts'
import { isOfEnv, logOutput } from '../../../lib/backends/cromwell/log.ts'
import { LOG_HEX } from '../../../lib/backends/cromwell/wdl.ts'

const storage = { type: 'host', storebase: '/srv/chris' }
const url = 'http://cromwell.example.org:8000'

test.each<[string, Record<string, unknown>, typeof storage | { type: string }, RegExp[]]>([
  ['none', { url }, storage, []],
  ['none, with a slash and everything', { url: `${url}/`, partition: 'long', hogGroup: 'a', logBytes: 1, directories: 'parent', executions: '/x', summaryGrace: 0 }, storage, []],
  ['none, by NFS', { url }, { type: 'nfs', storebase: '/srv/chris' }, []],
  ['no URL', {}, storage, [/^options.url: is needed/]],
  ['another protocol', { url: 'ftp://x' }, storage, [/^options.url: /]],
  ['a password in the URL', { url: 'http://u:p@x' }, storage, [/^options.url: .*secret/]],
  ['a partition that is more than a word', { url, partition: 'a; rm' }, storage, [/^options.partition: /]],
  ['a setting that there is not', { url, uri: 'x' }, storage, [/^options.uri: there is no such/]],
  ['too long a log', { url, logBytes: 5e6 }, storage, [/^options.logBytes: /]],
  ['a volume', { url }, { type: 'docker_local_volume' }, [/^storage.type: /]],
  ['a storebase that a shell would read', { url }, { type: 'host', storebase: '/srv/$(id)' }, [/^storage.storebase: /]],
  ['all at once', { url: 1, directories: 'x' }, { type: 'host' }, [/url/, /directories/, /storebase/]],
])('problems of the settings: %s', (_name, options, place, expected) => {
  const found = cromwell.problems({ options, storage: place })
  expect(found).toEqual(expected.map((words) => expect.stringMatching(words) as string))
})

test('what a gateway that sees the executions can do more', () => {
  const open = (options: object, host: 'lambda' | 'machine') =>
    cromwell.open({ compute: 'hpc', deployment: 'd', storage, host, options: { url, ...options }, credentials: async () => undefined })
  expect(open({}, 'lambda').supports).toMatchObject({ logsWhileRunning: false, stopForgets: true })
  expect(open({ executions: '/x' }, 'machine').supports).toMatchObject({ logsWhileRunning: true, stopForgets: false })
  expect(() => open({ executions: '/x' }, 'lambda')).toThrow('Lambda')
})

test('the secret of a proxy', () => {
  expect(parseCredentials(undefined)).toEqual({})
  expect(parseCredentials('{"authorization":"Basic eA==","ca":"PEM"}')).toEqual({ authorization: 'Basic eA==', ca: 'PEM' })
  for (const text of ['hunter2', '{"password":"hunter2"}']) {
    expect(() => parseCredentials(text)).toThrow('secret')
    expect(() => parseCredentials(text)).not.toThrow('hunter2')
  }
})

describe('absence', () => {
  test('is proven by a younger workflow that is shown, by the server\'s clock', () => {
    const absence = new Absence(60_000)
    expect(absence.proven('a', { at: 1_000_000, newest: 9_000_000 })).toBe(false)
    expect(absence.proven('a', { at: 9_000_000, newest: undefined })).toBe(false)
    expect(absence.proven('a', { at: 9_000_000, newest: 1_060_000 })).toBe(false)
    expect(absence.proven('b', { at: 1_050_000, newest: 1_060_001 })).toBe(false)
    expect(absence.proven('a', { at: 1_060_002, newest: 1_060_001 })).toBe(true)
    absence.seen('a')
    expect(absence.proven('a', { at: 2_000_000, newest: 2_000_000 })).toBe(false)
  })

  test('forgets the oldest of very many', () => {
    const absence = new Absence(0)
    for (let index = 0; index <= 10_000; index++) absence.proven(String(index), { at: index, newest: undefined })
    expect(absence.proven('10000', { at: 1, newest: 10_001 })).toBe(true)
    expect(absence.proven('0', { at: 1, newest: 10_001 })).toBe(false)
  })
})

describe('the log that comes back', () => {
  const log = (hex: unknown, logBytes = 4, tailLines = 10) => {
    const told = logOutput({ outputs: { [LOG_HEX]: hex } }, logBytes, { tailLines, maxBytes: 100 })
    return told && { text: Buffer.from(told.bytes).toString('latin1'), truncated: told.truncated }
  }
  test.each<[unknown, object | undefined]>([
    ['h', { text: '', truncated: false }],
    ['h61ff0a', { text: 'a\xff\n', truncated: false }],
    ['h61626364', { text: 'abcd', truncated: false }],
    ['h6162636465', { text: 'bcde', truncated: true }],
    ['h6', undefined],
    ['61', undefined],
    [undefined, undefined],
    [61, undefined],
  ])('%j', (hex, expected) => expect(log(hex)).toEqual(expected))

  test('its last lines', () => expect(log('h610a620a', 4, 1)).toEqual({ text: 'b\n', truncated: true }))

  test.each([
    ['env: ‘/no/such’: No such file or directory\n', true],
    ["env: can't execute 'x': No such file or directory", true],
    ['env: x\nmore\n', false],
    ['sh: 1: x: not found\n', false],
    ['', false],
  ])('%j is the word of env: %s', (text, expected) => expect(isOfEnv({ bytes: Buffer.from(text), truncated: false })).toBe(expected))
})
