import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as z from 'zod'
import { dockerApi } from '../../../lib/engines/docker-api.ts'

const run = promisify(execFile)

const SCRIPTS = process.env.ENGINES_SCRIPTS ?? resolve(import.meta.dirname, '..', '..', '..', '..', 'shared', 'engines')
const SCRIPT = join(SCRIPTS, 'docker-up.sh')

/** Why no daemon of one's own can be started here; undefined: it can. */
export function noDaemon(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can start a Docker daemon'
  return existsSync(SCRIPT) ? undefined : 'there is no docker-up.sh in the folder that ENGINES_SCRIPTS names'
}

/** A Docker daemon of a test's own, which may be stopped and started. */
export interface OwnDaemon {
  host: string
  image: string
  start(): Promise<void>
  /** Ends the daemon, as a service manager does; its containers, if it keeps them, go on. */
  stop(): Promise<void>
  /** Stops it for good, and deletes all that it had. */
  purge(): Promise<void>
}

export async function ownDaemon(flags: readonly string[]): Promise<OwnDaemon> {
  const directory = await mkdtemp(join(tmpdir(), 'pman-dockerd-'))
  const port = await freePort()
  const env = { ...process.env, DOCKER_DIR: directory, DOCKER_TLS_PORT: String(port), SWARM: '0', DOCKER_FLAGS: flags.join(' ') }
  async function start(): Promise<void> {
    await run('bash', [SCRIPT], { env, timeout: 60_000 })
  }

  async function stop(): Promise<void> {
    const pid = Number(await readFile(join(directory, 'pid'), 'utf8').catch(() => ''))
    // only what is still the daemon that has written this file
    if (!(pid > 0) || !isDaemon(pid)) return
    process.kill(pid, 'SIGTERM')
    for (const until = Date.now() + 30_000; isDaemon(pid); ) {
      if (Date.now() > until) throw new Error(`dockerd ${pid} does not end`)
      await delay(50)
    }
  }

  /** With live-restore they would outlive the daemon. */
  async function removeContainers(): Promise<void> {
    const api = dockerApi({ baseUrl: 'http://docker', socketPath: join(directory, 'docker.sock') })
    const signal = AbortSignal.timeout(10_000)
    const { json } = await api.call({ method: 'GET', path: '/containers/json', query: { all: true }, signal })
    for (const { Id } of z.array(z.object({ Id: z.string() })).parse(json)) {
      await api.call({ method: 'DELETE', path: `/containers/${Id}`, query: { force: true }, signal })
    }
  }

  return {
    host: `unix://${directory}/docker.sock`,
    image: 'local/busybox:1',
    start,
    stop,
    async purge() {
      await start()
      await removeContainers()
      await stop()
      await unmountBelow(directory)
      await rm(directory, { recursive: true, force: true })
    },
  }

  function isDaemon(pid: number): boolean {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory)
    } catch {
      return false
    }
  }
}

/** What a daemon with --live-restore leaves mounted. */
async function unmountBelow(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '')
  for (const mount of mounts.filter((path) => path.startsWith(`${directory}/`)).reverse()) {
    await run('umount', [mount]).catch(() => run('umount', ['-l', mount]))
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}
