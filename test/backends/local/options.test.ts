import { local } from '../../../lib/backends/local/index.ts'
import { PmanError } from '../../../lib/errors.ts'

const storage = { type: 'host', storebase: '/data' }
const options = { directory: '/var/jobs' }
const open = (host: 'machine' | 'lambda', given: Record<string, unknown> = options) =>
  local.open({ compute: 'c', deployment: 'd', host, storage, options: given, credentials: async () => undefined })

test('the directory is all that must be said', () => {
  expect(local.problems({ options, storage })).toEqual([])
  expect(open('machine').pollInterval).toBeGreaterThan(0)
})

test.each<[string, Record<string, unknown>, typeof storage | { type: string }, RegExp[]]>([
  ['no directory', {}, storage, [/^options\.directory: must be an absolute path$/]],
  ['a relative directory', { directory: 'jobs' }, storage, [/^options\.directory: /]],
  ['an unknown option', { ...options, socket: '/x' }, storage, [/^options\.socket: there is no such setting$/]],
  ['a negative grace', { ...options, killGrace: -1 }, storage, [/^options\.killGrace: /]],
  ['an environment of numbers', { ...options, environment: { PATH: 1 } }, storage, [/^options\.environment\.PATH: /]],
  ['a relative runner', { ...options, runner: 'runner.mjs' }, storage, [/^options\.runner: /]],
  ['another storage', options, { type: 'nfs', storebase: '/data' }, [/^storage\.type: must be host/]],
  ['no storebase', options, { type: 'host' }, [/^storage\.storebase: /]],
  ['several at once', { killGrace: 'x' }, { type: 'host' }, [/^options\.directory: /, /^options\.killGrace: /, /^storage\.storebase: /]],
])('%s', (_name, given, where, expected) => {
  const found = local.problems({ options: given, storage: where })
  expect(found).toEqual(expected.map((pattern) => expect.stringMatching(pattern) as string))
})

test('a driver is not made on AWS Lambda, nor from options that are wrong', () => {
  const thrown = (make: () => unknown): unknown => {
    try {
      return make()
    } catch (error) {
      return error
    }
  }
  for (const error of [thrown(() => open('lambda')), thrown(() => open('machine', {}))]) {
    expect(error).toBeInstanceOf(PmanError)
    expect(error).toMatchObject({ code: 'config' })
  }
  expect(thrown(() => open('lambda'))).toMatchObject({ message: expect.stringContaining('Lambda') as string })
})
