import { link, mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { readIfThere, writePrivate } from './private-file.ts'

/** Where a set-up on this machine keeps what it must find again. */
export interface StateFolder {
  path: string
  token: string
  secrets: string
  /** What the functions and serverless-offline print. */
  log: string
  /** The table. */
  table: string
  /** Where the functions are built. */
  build: string
  /** The storebase, unless the site has one. */
  data: string
  /** Runs of the local engine. */
  runs: string
}

export function stateFolder(path: string): StateFolder {
  const at = (name: string) => resolve(path, name)
  return {
    path: resolve(path),
    token: at('token'),
    secrets: at('secrets.json'),
    log: at('server.log'),
    table: at('dynamodb'),
    build: at('build'),
    data: at('data'),
    runs: at('runs'),
  }
}

/** Makes the folder and takes it for this process. Returns how to give it back. Throws if another process that lives has it. */
export async function takeFolder({ path, table, runs }: StateFolder): Promise<() => Promise<void>> {
  for (const folder of [path, table, runs]) await mkdir(folder, { recursive: true, mode: 0o700 })
  const lock = join(path, 'lock')
  const mine = join(path, `lock.${process.pid}`)
  await writeFile(mine, String(process.pid), { mode: 0o600 })
  try {
    // A link is there with its content or not at all.
    while (!(await linked(mine, lock))) {
      const owner = Number(await readIfThere(lock))
      if (owner > 0 && isAlive(owner)) throw new Error(`${path} is in use by process ${owner}: stop it, or set PMAN_STATE to another folder`)
      await rm(lock, { force: true })
    }
  } finally {
    await rm(mine, { force: true })
  }
  return () => rm(lock, { force: true })
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** EPERM: it lives, and is another user's. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** What goes into a header as it stands, and is not to be guessed. */
const TOKEN = /^[\x21-\x7e]{16,1024}$/

/** The token of this set-up: the one that is given, the one of the last start, or a new one. Throws for one that cannot be used. */
export async function keptToken({ token: file }: StateFolder, given: string | undefined, make: () => string): Promise<string> {
  const kept = (await readIfThere(file))?.trim() ?? ''
  const token = given ?? (kept === '' ? make() : kept)
  if (!TOKEN.test(token)) throw new Error(`${given === undefined ? file : 'PMAN_TOKEN'} must hold 16 or more printable ASCII characters without blanks`)
  await writePrivate(file, `${token}\n`)
  return token
}
