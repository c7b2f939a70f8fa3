import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isFree } from '../../infra/local/loopback.ts'
import { startServer } from '../../infra/local/server.ts'
import { startStack } from '../../infra/local/stack.ts'
import { stateFolder, takeFolder } from '../../infra/local/state-folder.ts'

let root: string
let stateDir: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pman-stack-'))
  stateDir = join(root, 'state')
})
afterEach(() => rm(root, { recursive: true, force: true }))

const env = { PATH: process.env.PATH, CONTAINER_ENV: 'local' }

/** Somebody else's server. */
async function takenPort(): Promise<{ port: number; free: () => void }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, free: () => server.close() }
}

test('a taken port is noticed before anything is made', async () => {
  const { port, free } = await takenPort()
  await expect(startStack({ stateDir, env, port })).rejects.toThrow(`port ${port} is taken: set PORT`)
  expect(await readdir(root)).toEqual([])
  free()
})

test('a state folder in use is refused', async () => {
  await takeFolder(stateFolder(stateDir))
  await expect(startStack({ stateDir, env })).rejects.toThrow('is in use by process')
})

test('settings that cannot be used are told, all at once, and nothing is left running or taken', async () => {
  const wrong = { ...env, STOREBASE: 'relative', SHM_SIZE: 'x', PMAN_TIMING: 'nonsense=1' }
  const failure = startStack({ stateDir, env: wrong })
  await expect(failure).rejects.toMatchObject({ code: 'config' })
  await expect(failure).rejects.toThrow(/STOREBASE[^]*SHM_SIZE[^]*PMAN_TIMING/)
  expect(await readdir(stateDir)).not.toContain('lock')
  // The table's files are free again as well.
  await expect(startStack({ stateDir, env: wrong })).rejects.toMatchObject({ code: 'config' })
})

test('a server that does not come up is told in its own words, and is gone', async () => {
  const { port, free } = await takenPort()
  const url = `http://127.0.0.1:${port}`
  const folder = stateFolder(stateDir)
  await takeFolder(folder)
  const options = { host: '127.0.0.1', port, url, env: { PATH: env.PATH ?? '', PMAN_BUILD_FOLDER: folder.build }, logFile: folder.log }
  const failure = startServer({ ...options, socket: join(root, 'lambda.sock') })
  await expect(failure).rejects.toThrow(/^the server has ended \(exit code 1\)\n/)
  await expect(failure).rejects.toThrow(`port ${port}`)
  free()
  expect(await isFree(port)).toBe(true)
}, 60_000)
