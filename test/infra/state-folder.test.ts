import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keptToken, stateFolder, takeFolder, type StateFolder } from '../../infra/local/state-folder.ts'

let root: string
let folder: StateFolder

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pman-state-'))
  folder = stateFolder(join(root, 'a', 'b'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

test('folders and files are their owner’s alone, whatever the umask', async () => {
  const umask = process.umask(0)
  try {
    await takeFolder(folder)
    await keptToken(folder, undefined, () => 'a-token-that-is-made')
    for (const path of [folder.path, folder.table, folder.runs]) expect([path, await modeOf(path)]).toEqual([path, 0o700])
    for (const path of [folder.token, join(folder.path, 'lock')]) expect([path, await modeOf(path)]).toEqual([path, 0o600])
  } finally {
    process.umask(umask)
  }
})

test('a folder in use is refused, and free again when it is given back', async () => {
  const giveBack = await takeFolder(folder)
  await expect(takeFolder(folder)).rejects.toThrow(`in use by process ${process.pid}: stop it, or set PMAN_STATE`)
  expect((await readdir(folder.path)).sort()).toEqual(['dynamodb', 'lock', 'runs'])
  await giveBack()
  await (await takeFolder(folder))()
})

test.each(['', 'nonsense', '0', '-1'])('a lock that reads %j is nobody’s', async (text) => {
  await (await takeFolder(folder))()
  await writeFile(join(folder.path, 'lock'), text)
  await takeFolder(folder)
  expect(await readFile(join(folder.path, 'lock'), 'utf8')).toBe(String(process.pid))
})

test('the lock of a process that has ended is nobody’s', async () => {
  await (await takeFolder(folder))()
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  await writeFile(join(folder.path, 'lock'), String(pid))
  await takeFolder(folder)
  expect(await readFile(join(folder.path, 'lock'), 'utf8')).toBe(String(process.pid))
})

test('the token is made once and kept; one that is given takes its place', async () => {
  await takeFolder(folder)
  let made = 0
  const make = (): string => `a-token-that-is-made-${(made += 1)}`
  expect(await keptToken(folder, undefined, make)).toBe('a-token-that-is-made-1')
  expect(await keptToken(folder, undefined, make)).toBe('a-token-that-is-made-1')
  expect(await keptToken(folder, 'a-token-that-is-given', make)).toBe('a-token-that-is-given')
  expect(await keptToken(folder, undefined, make)).toBe('a-token-that-is-given')
  for (const bad of ['short', 'with blanks in its middle', 'with\na line end in it', 'ünïcödé-ünïcödé-ünïcödé']) {
    await expect(keptToken(folder, bad, make)).rejects.toThrow('PMAN_TOKEN must hold')
  }
  await writeFile(folder.token, '\n')
  expect(await keptToken(folder, undefined, make)).toBe('a-token-that-is-made-2')
})
