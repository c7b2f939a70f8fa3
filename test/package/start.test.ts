import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, isFree } from '../../infra/local/loopback.ts'

const LOCAL = join(import.meta.dirname, '..', '..', 'infra', 'local')
const TSX = createRequire(import.meta.url).resolve('tsx')

let root: string
let state: string
let port: number
const children: ChildProcess[] = []

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pman-start-'))
  state = join(root, 'state')
  port = await freePort()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await until(() => isFree(port))
  await rm(root, { recursive: true, force: true })
})

function run(script: string, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', TSX, join(LOCAL, script)], {
    env: { PATH: process.env.PATH, PMAN_STATE: state, PORT: String(port), AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', ...env },
  })
  children.push(child)
  const printed = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (printed.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (printed.err += chunk.toString()))
  const ended = once(child, 'close').then(([code]: unknown[]) => code)
  return { child, printed, ended }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600 && !(await holds()); tries += 1) await sleep(50)
  expect(await holds()).toBe(true)
}

const serving = ({ printed }: ReturnType<typeof run>) => until(() => printed.out.includes('curl'))
const hello = (token: string) => fetch(`http://127.0.0.1:${port}/api/v1/`, { headers: { Authorization: `Bearer ${token}` } })

test('npm start serves with the token that it prints and keeps, refuses a second one, and ends in order', async () => {
  const first = run('start.ts')
  await serving(first)
  const token = (await readFile(join(state, 'token'), 'utf8')).trim()
  expect(first.printed.out).toContain(`-H 'Authorization: Bearer ${token}' http://127.0.0.1:${port}/api/v1/`)
  expect((await hello(token)).status).toBe(200)
  expect((await hello(`${token}x`)).status).toBe(403)
  for (const file of ['token', 'secrets.json', 'server.log']) expect([file, (await stat(join(state, file))).mode & 0o777]).toEqual([file, 0o600])
  for (const file of ['secrets.json', 'server.log']) expect(await readFile(join(state, file), 'utf8')).not.toContain(token)

  const onItsPort = run('start.ts')
  expect([await onItsPort.ended, onItsPort.printed]).toEqual([1, { out: '', err: `npm start: port ${port} is taken: set PORT\n` }])
  const onItsFolder = run('start.ts', { PORT: String(await freePort()) })
  expect(await onItsFolder.ended).toBe(1)
  expect(onItsFolder.printed.err).toMatch(/^npm start: .* is in use by process \d+: stop it, or set PMAN_STATE to another folder\n$/)

  first.child.kill('SIGTERM')
  expect([await first.ended, first.printed.err]).toEqual([0, ''])
  expect(await isFree(port)).toBe(true)

  const again = run('start.ts')
  await serving(again)
  expect((await hello(token)).status).toBe(200)
  again.child.kill('SIGINT')
  expect(await again.ended).toBe(0)
}, 90_000)

test('the server does not outlive a start that was killed, whose folder is free again', async () => {
  const first = run('start.ts')
  await serving(first)
  first.child.kill('SIGKILL')
  await until(() => isFree(port))
  const second = run('start.ts')
  await serving(second)
  second.child.kill('SIGTERM')
  expect(await second.ended).toBe(0)
}, 90_000)

test.each([
  ['a port that is none', { PORT: 'abc' }, 'npm start: PORT must be a number from 1 to 65535, not "abc"\n'],
  ['an engine that is none', { CONTAINER_ENV: 'abacus', STORAGE_TYPE: 'host', STOREBASE: '/x' }, /^npm start: CONTAINER_ENV: .*abacus/],
  ['a token that is none', { PMAN_TOKEN: 'short' }, /^npm start: PMAN_TOKEN must hold/],
])('%s: one clear message, and 1', async (_, env, message) => {
  const { ended, printed } = run('start.ts', env)
  expect(await ended).toBe(1)
  expect(printed.err).toMatch(message)
  expect(printed.out).toBe('')
}, 30_000)

test('npm run demo shows a job from its submission to its end', async () => {
  const { ended, printed } = run('demo.ts')
  expect([await ended, printed.err]).toEqual([0, ''])
  expect(printed.out).toMatch(/POST {3}demo-1: 201, notstarted[^]*finishedSuccessfully[^]*summary\.json[^]*DELETE demo-1: 204[^]*GET {4}demo-1: 404/)
}, 90_000)
