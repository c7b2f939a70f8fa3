import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPrincipal, parseTokenTable } from '../../lib/http/tokens.ts'

const SCRIPT = join(import.meta.dirname, '..', '..', 'infra', 'local', 'token.ts')
const TSX = createRequire(import.meta.url).resolve('tsx/cli')

let state: string
beforeEach(async () => {
  state = join(await mkdtemp(join(tmpdir(), 'pman-token-')), 'state')
})
afterEach(() => rm(join(state, '..'), { recursive: true, force: true }))

function run(...words: string[]) {
  const env = { PATH: process.env.PATH, PMAN_STATE: state, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' }
  const { status, stdout, stderr } = spawnSync(process.execPath, [TSX, SCRIPT, ...words], { env, encoding: 'utf8' })
  return { status, stdout, stderr, token: /^token: (\S+)$/m.exec(stdout)?.[1] ?? '', entry: /^entry: (.*)$/m.exec(stdout)?.[1] ?? '' }
}

const kept = async (): Promise<string> =>
  (JSON.parse(await readFile(join(state, 'secrets.json'), 'utf8')) as Record<string, { value: string }>)['pman/tokens']?.value ?? ''

test('shows a token and its entry, and keeps neither', () => {
  const { status, token, entry } = run('alice', '--scopes', 'read', '--computes', 'a,b')
  expect(status).toBe(0)
  const table = parseTokenTable(`{"tokens":[${entry}]}`)
  expect(findPrincipal(table, token)).toEqual({ name: 'alice', scopes: ['read'], computes: ['a', 'b'] })
  expect(existsSync(state)).toBe(false)
}, 20_000)

test('--add puts it into the state folder, and another of the same name only with --replace', async () => {
  const [first, second] = [run('alice', '--add'), run('bob', '--add')]
  expect([first.status, second.status]).toEqual([0, 0])
  const before = await kept()
  const again = run('alice', '--add')
  expect([again.status, again.stdout]).toEqual([2, ''])
  expect(again.stderr).toContain('--replace')
  expect(await kept()).toBe(before)
  const replaced = run('alice', '--add', '--replace')
  const table = parseTokenTable(await kept())
  expect(table.size).toBe(2)
  expect([first, second, replaced].map(({ token }) => findPrincipal(table, token)?.name)).toEqual([undefined, 'bob', 'alice'])
}, 30_000)

test.each([
  ['no name', []],
  ['two names', ['alice', 'bob']],
  ['a scope that there is not', ['alice', '--scopes', 'admin']],
  ['no scope', ['alice', '--scopes', '']],
  ['a compute with a bad name', ['alice', '--computes', 'A']],
  ['a name that is a token', ['pman_0123456789abcdef']],
  ['an unknown option', ['alice', '--nothing']],
  ['two places', ['alice', '--add', '--aws']],
])('%s: usage, and 2', (_, words) => {
  const { status, stdout, stderr } = run(...words)
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toContain('usage: npm run token')
  expect(existsSync(state)).toBe(false)
}, 20_000)
