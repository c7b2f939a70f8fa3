import { slurm } from '../../../lib/backends/slurm/index.ts'
import { loginFrom } from '../../../lib/backends/slurm/credentials.ts'
import { commentLabel, COMMENT_BYTES, labelsIn } from '../../../lib/backends/slurm/labels.ts'
import { logInComment } from '../../../lib/backends/slurm/comment-log.ts'
import { directoriesOf } from '../../../lib/backends/slurm/mounts.ts'
import { parseTemplate } from '../../../lib/backends/slurm/template.ts'
import type { LaunchTemplate } from '../../../lib/backends/slurm/template.ts'
import { PmanError } from '../../../lib/errors.ts'
import { gzipSync } from 'node:zlib'

const storage = { type: 'host', storebase: '/data' }
const options = { url: 'http://slurm:6820', launch: 'apptainer exec docker://{image} {command}' }
const open = (given: Record<string, unknown>) =>
  slurm.open({ compute: 'c', deployment: 'd', host: 'lambda', storage, options: given, credentials: async () => undefined })

test('a url and a launch template are all that must be said', () => {
  expect(slurm.problems({ options, storage })).toEqual([])
  expect(open(options).pollInterval).toBeGreaterThan(0)
})

test.each<[string, Record<string, unknown>, { type: string; storebase?: string }, RegExp[]]>([
  ['nothing', {}, storage, [/^options\.url: /, /^options\.launch: must be a launch template/]],
  ['another protocol', { ...options, url: 'ftp://x' }, storage, [/^options\.url: must be http/]],
  ['an unknown option', { ...options, queue: 'x' }, storage, [/^options\.queue: there is no such setting$/]],
  ['a version that is not known', { ...options, apiVersion: 39 }, storage, [/^options\.apiVersion: must be one of 44, /]],
  ['a template without a command', { ...options, launch: 'x' }, storage, [/^options\.launch: \{command\} must stand in it once/]],
  ['a template of shell', { ...options, launch: 'x; {command}' }, storage, [/^options\.launch: ; must stand in quotes/]],
  ['a directory with a % in it', { ...options, directory: '/logs/%j' }, storage, [/^options\.directory: must be an absolute path without % and/]],
  ['a relative workdir', { ...options, workdir: 'x' }, storage, [/^options\.workdir: /]],
  ['a partition of two words', { ...options, partition: 'a b' }, storage, [/^options\.partition: must be one word/]],
  ['an environment of odd names', { ...options, environment: { 'A-B': 'x' } }, storage, [/^options\.environment\.A-B: /]],
  ['a volume of another engine', options, { type: 'docker_local_volume' }, [/^storage\.type: must be host or nfs/]],
  ['several at once', { launch: '{nonsense}' }, { type: 'x' }, [/^options\.url: /, /^options\.launch: there is no \{nonsense\}/, /^storage\.type: /]],
])('%s', (_name, given, where, expected) => {
  expect(slurm.problems({ options: given, storage: where })).toEqual(expected.map((pattern) => expect.stringMatching(pattern) as string))
  if (where === storage) expect(() => open(given)).toThrow(PmanError)
})

describe('the secret', () => {
  const signal = new AbortController().signal
  const login = (secret: string | undefined) => loginFrom('c', async () => secret)({ fresh: false }, signal)

  test('has a user and a token', async () => {
    expect(await login('{"user": "pman", "token": "ey.x"}')).toEqual({ user: 'pman', token: 'ey.x' })
  })

  test.each([undefined, 'hidden-word', '{}', '{"user": "a", "token": "hidden-word\\nX: y"}', '{"user": "", "token": "hidden-word"}'])('%j is none, and is not shown', async (secret) => {
    const error: unknown = await login(secret).catch((one: unknown) => one)
    expect(error).toBeInstanceOf(PmanError)
    expect((error as Error).message).not.toContain('hidden-word')
  })
})

describe('the comment', () => {
  const owner = { compute: 'hpc', jid: 'a.b $(c) ž 🦊', generation: 3, specHash: 'ff' }

  test('holds the owner, with a log and without', () => {
    expect(labelsIn(commentLabel(owner, false), 'd')).toEqual({ deployment: 'd', ...owner })
    expect(labelsIn(`${commentLabel(owner, true)}.12.H4sI`, 'd')).toEqual({ deployment: 'd', ...owner })
    expect(commentLabel(owner, false)).toMatch(/^[A-Za-z0-9_-]+$/)
  })

  test.each(['', 'pman1-', 'pman1-####', 'of somebody else', 'pman1-WzFd'])('%j holds none', (comment) => {
    expect(labelsIn(comment, 'd')).toBeUndefined()
  })

  test('of the longest jid: it fits, or it is left out', () => {
    for (const jid of ['x'.repeat(255), '🦊'.repeat(255)]) {
      for (const withLog of [true, false]) expect(commentLabel({ ...owner, jid }, withLog).length).toBeLessThanOrEqual(withLog ? 600 : COMMENT_BYTES)
    }
    expect(labelsIn(commentLabel({ ...owner, jid: 'x'.repeat(255) }, true), 'd')?.jid).toHaveLength(255)
    expect(labelsIn(commentLabel({ ...owner, jid: '🦊'.repeat(255) }, false), 'd')).toBeUndefined()
  })

  test('holds the end of a log, and how long it was', () => {
    const text = gzipSync('the end\n').toString('base64')
    expect(logInComment('pman1-abc')).toEqual({ bytes: new Uint8Array(), truncated: false })
    expect(logInComment(`pman1-abc.8.${text}`)).toMatchObject({ truncated: false })
    expect(Buffer.from(logInComment(`pman1-abc.9.${text}`).bytes).toString()).toBe('the end\n')
    expect(logInComment(`pman1-abc.9.${text}`).truncated).toBe(true)
    expect(() => logInComment('pman1-abc.x.y')).toThrow()
    expect(() => logInComment(`pman1-abc.9.${gzipSync(Buffer.alloc(9_000_000)).toString('base64')}`)).toThrow()
  })
})

describe('the directories', () => {
  const template = parseTemplate('run {input} {output} {command}') as LaunchTemplate
  const mount = (field: string, source: string, target: string) => ({ field, source, target, readOnly: false })

  test('are those of the request, or of the one directory that has both', () => {
    const both = [mount('input_dir', 'a/in', '/share/incoming'), mount('output_dir', 'b/out', '/share/outgoing')]
    expect(directoriesOf(both, template, '/data')).toEqual({ input: '/data/a/in', output: '/data/b/out' })
    expect(directoriesOf([mount('jid', 'key-1', '/share')], template, '/data')).toEqual({ input: '/data/key-1/incoming', output: '/data/key-1/outgoing' })
  })

  test('that are needed and not there, or that have no place, are refused by their field', () => {
    expect(() => directoriesOf([mount('output_dir', 'b', '/share/outgoing')], template, '/data')).toThrow(/^input_dir: /)
    expect(() => directoriesOf([mount('extra', 'b', '/data')], template, '/data')).toThrow(/^extra: /)
  })
})
