import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Variables } from './environment.ts'

const PROJECT = join(import.meta.dirname, '..', '..')
const START_LIMIT = 180_000
const STOP_LIMIT = 10_000
const LAST_LINES = 20

export interface ServerOptions {
  host: string
  port: number
  url: string
  /** Everything that the server and the functions may see. */
  env: Variables
  /** The socket of the Lambda API, which asks for no token: in a folder of its owner alone. */
  socket: string
  logFile: string
  onLine?: ((line: string) => void) | undefined
}

export interface Server {
  /** How it ended, by itself or because it was stopped. */
  exited: Promise<string>
  stop(): Promise<void>
  /** The latest of what it printed. */
  lastLines(): string[]
}

/** Starts serverless-offline and waits until it answers. Throws with its last lines if it does not come up. */
export async function startServer({ host, port, url, env, socket, logFile, onLine }: ServerOptions): Promise<Server> {
  await rename(logFile, `${logFile}.1`).catch(() => undefined)
  const log = createWriteStream(logFile, { mode: 0o600 })
  const lines: string[] = []
  let over = false
  const take = (line: string) => {
    log.write(`${line}\n`)
    // esbuild's own process, left behind by a server that has ended, ends with a dump that tells nothing.
    over ||= line.startsWith('fatal error: all goroutines are asleep')
    if (over || /^\s*$|^[│┌└]/.test(line)) return
    lines.push(line)
    lines.splice(0, lines.length - LAST_LINES)
    onLine?.(line)
  }

  const serverless = createRequire(import.meta.url).resolve('serverless/bin/serverless.js')
  const options = ['--httpPort', String(port), '--lambdaPort', socket, '--host', host]
  const child = spawn(process.execPath, [serverless, 'offline', 'start', ...options], {
    cwd: PROJECT,
    env: { ...env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A group of its own: Ctrl-C is for the one who started it, who then stops it in order.
    detached: true,
  })
  for (const stream of [child.stdout, child.stderr]) if (stream) createInterface(stream).on('line', take)
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`))
    child.once('close', (code, signal) => {
      log.end()
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`)
    })
  })

  const server: Server = { exited, stop: () => stop(child, exited), lastLines: () => [...lines] }
  const failed = exited.then((how) => Promise.reject(new Error(`the server has ended (${how})`)))
  const late = new AbortController()
  const limit = sleep(START_LIMIT, undefined, { signal: late.signal }).then(() =>
    Promise.reject(new Error(`the server does not answer after ${START_LIMIT / 1000} s`)),
  )
  try {
    await Promise.race([ready(child).then(() => answers(url, late.signal)), failed, limit])
    return server
  } catch (error) {
    await server.stop()
    throw new Error([(error as Error).message, ...lines].join('\n  '), { cause: error })
  } finally {
    late.abort()
    for (const promise of [failed, limit]) promise.catch(() => undefined)
  }
}

/** The local plugin says so once its ports are open. */
const ready = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => void child.on('message', (message) => (message === 'ready' ? resolve() : undefined)))

/** Any answer will do: it came through a function. */
async function answers(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const answer = await fetch(url, { signal }).catch(() => undefined)
    if (answer !== undefined) return
    await sleep(50)
  }
}

async function stop(child: ChildProcess, exited: Promise<string>): Promise<void> {
  const { pid } = child
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) {
    await exited
    return
  }
  child.kill('SIGINT')
  const late = new AbortController()
  const killed = sleep(STOP_LIMIT, undefined, { signal: late.signal }).then(
    () => process.kill(-pid, 'SIGKILL'),
    () => undefined,
  )
  await exited
  late.abort()
  await killed
}
