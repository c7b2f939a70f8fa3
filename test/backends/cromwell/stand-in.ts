/**
 * Cromwell servers of a test's own: further ones of the stand-in that is running, with directories, ports and delays of their own, so that
 * faults and restarts disturb nobody. How the running one was started is read from its process.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export type Mode = 'modern' | '74'
/** Seconds and counts, as the stand-in takes them. */
export type Settings = Readonly<Record<string, number>>

/** Short enough for a test, long enough for every lag to be there. */
const QUICK: Settings = {
  metadata_flush: 0.1, metadata_gap: 0.1, summary: 0.1, pickup_poll: 0.1, abort_scan: 0.2,
  rc_poll: 0.1, rc_poll_max: 0.3, exit_code_timeout: 1, heartbeat_ttl: 0.3, initialization_retry: 0.05,
}

const { CROMWELL_DIR, SLURM_CONF } = process.env

/** The words that the running stand-in was started with; undefined: there is none here. */
function runningCommand(): { program: string; words: string[] } | undefined {
  try {
    const pid = readFileSync(join(CROMWELL_DIR ?? '', 'pid'), 'utf8').trim()
    const [program, ...words] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const options = words.indexOf('--state-dir')
    return program === undefined || options < 0 ? undefined : { program, words: words.slice(0, options) }
  } catch {
    return undefined
  }
}
const command = runningCommand()

/** Why no server can be started; undefined: one can. */
export const WITHOUT_STAND_IN =
  CROMWELL_DIR === undefined
    ? 'CROMWELL_DIR is not set: npm run test:engines -- cromwell'
    : command === undefined
      ? 'no stand-in of this machine is to be seen in CROMWELL_DIR'
      : undefined

/** Why none can be started in front of SLURM. */
export const WITHOUT_SLURM = WITHOUT_STAND_IN ?? (SLURM_CONF === undefined ? 'SLURM_CONF is not set: the SLURM engine is not there' : undefined)

/** The checker of WDL that the stand-in itself uses. */
export const MINIWDL = join(CROMWELL_DIR ?? '/', 'venv', 'bin', 'miniwdl')

export interface Fault {
  path: string
  method?: string
  count?: number
  action: 'status' | 'hang' | 'refuse' | 'drop' | 'lose' | 'race'
  status?: number
  message?: string
  seconds?: number
}

export class StandIn {
  readonly url: string
  readonly directory: string
  readonly #flags: readonly string[]
  #process: ChildProcess | undefined

  private constructor(url: string, directory: string, flags: readonly string[]) {
    this.url = url
    this.directory = directory
    this.#flags = flags
  }

  /** `declared`: the runtime attributes of its site; one that is needed ends in `!`. */
  static async start(mode: Mode, backend: 'host' | 'slurm' = 'host', settings: Settings = {}, declared?: readonly string[]): Promise<StandIn> {
    const directory = await mkdtemp(join(tmpdir(), 'pman-stand-in-'))
    await chmod(directory, 0o755)
    const port = await freePort()
    const delays = Object.entries({ ...QUICK, ...settings }).map(([name, value]) => `--${name.replaceAll('_', '-')}=${value}`)
    const flags = ['--state-dir', directory, '--port', String(port), '--mode', mode, '--backend', backend, ...delays]
    if (declared !== undefined) flags.push('--runtime-attributes', declared.join(' '))
    const server = new StandIn(`http://127.0.0.1:${port}`, directory, flags)
    await server.up()
    return server
  }

  get executions(): string {
    return join(this.directory, 'cromwell-executions')
  }

  /** Starts the process; jobs and data of an earlier one are kept. */
  async up(): Promise<void> {
    if (command === undefined) throw new Error(WITHOUT_STAND_IN)
    // Its environment is its jobs' too.
    const { PATH, LANG } = process.env
    const env = { PATH, LANG, HOME: '/tmp', ...(SLURM_CONF === undefined ? {} : { SLURM_CONF }) }
    this.#process = spawn(command.program, [...command.words, ...this.#flags], { env, cwd: '/', stdio: 'ignore' })
    for (let tries = 0; tries < 200; tries++) {
      if (await fetch(`${this.url}/engine/v1/status`).then(({ ok }) => ok, () => false)) return
      await delay(50)
    }
    throw new Error('the stand-in did not start')
  }

  async down(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child?.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  async close(): Promise<void> {
    await this.down()
    await rm(this.directory, { recursive: true, force: true })
  }

  async fault(fault: Fault): Promise<void> {
    await this.#ask('faults', 'POST', fault)
  }

  async set(settings: Settings): Promise<void> {
    await this.#ask('settings', 'PATCH', settings)
  }

  async workflow(id: string): Promise<{ launchCount: number; storeState: string | null }> {
    return (await this.#ask(`workflows/${id}`, 'GET')) as { launchCount: number; storeState: string | null }
  }

  async act(id: string, action: 'lose' | 'archive'): Promise<void> {
    await this.#ask(`workflows/${id}/${action}`, 'POST')
  }

  /** What was submitted, of every workflow that the summary has. */
  async sources(): Promise<string[]> {
    const { results } = (await this.api('query')) as { results: { id: string }[] }
    return Promise.all(results.map(async ({ id }) => ((await this.api(`${id}/metadata?includeKey=submittedFiles`)) as Submitted).submittedFiles?.workflow ?? ''))
  }

  /** Cromwell's own API, as somebody else uses it. */
  async api(path: string, init?: RequestInit): Promise<unknown> {
    const response = await fetch(`${this.url}/api/workflows/v1${path === '' ? '' : `/${path}`}`, init)
    return response.json()
  }

  async #ask(path: string, method: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.url}/standin/v1/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
}

interface Submitted {
  submittedFiles?: { workflow?: string }
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

