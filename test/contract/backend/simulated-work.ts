import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { localiser } from '../../../lib/backends/local/localise.ts'
import { errorCode } from '../../../lib/backends/local/files.mjs'
import { groupLives, identify, signalGroup } from '../../../lib/backends/local/processes.mjs'
import { endOf } from '../../simulation/work.ts'
import type { Run, Work, WorkEnd } from '../../simulation/work.ts'

/** What every job's environment begins with. */
const PATH = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`

/**
 * The work of a simulated engine as real processes, so that the contract suite can see them run: a process group for each run, the
 * directories of the storebase in place of the job's own, both of its streams in one file. `grace`: from SIGTERM to SIGKILL, in ms.
 */
export class ChildProcesses implements Work {
  readonly #storebase: string
  readonly #logs: string
  readonly #grace: number
  readonly #alive = new Set<{ kill: () => void; gone: Promise<void> }>()
  #runs = 0

  constructor(directory: string, storebase: string, grace: number) {
    this.#storebase = storebase
    this.#logs = join(directory, 'logs')
    this.#grace = grace
    mkdirSync(this.#logs)
  }

  begin({ job }: Parameters<Work['begin']>[0], ended: (end: WorkEnd) => void): Run {
    const localise = localiser(job.spec.mounts.map(({ source, target }) => ({ target, path: join(this.#storebase, source) })))
    const [program = '', ...args] = job.argv.map(localise)
    const variables = job.env.map((entry): [string, string] => {
      const at = entry.indexOf('=')
      return [entry.slice(0, at), localise(entry.slice(at + 1))]
    })
    const path = join(this.#logs, String(++this.#runs))
    const log = openSync(path, 'a')
    const child = spawn(program, args, { cwd: this.#logs, env: { PATH, ...Object.fromEntries(variables) }, detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    const leader = child.pid === undefined ? undefined : identify(child.pid)
    const signal = (name: NodeJS.Signals): void => {
      if (leader !== undefined) signalGroup(leader, name)
    }
    const kill = (): void => {
      signal('SIGKILL')
    }
    const gone = new Promise<WorkEnd>((resolve) => {
      child.once('error', (error) => resolve({ reason: errorCode(error) === 'ENOENT' ? 'CommandNotFound' : 'StartFailed' }))
      child.once('exit', (code, name) => resolve(endOf(code ?? 128 + (name === null ? 0 : constants.signals[name]))))
    }).then(async (end) => {
      // the job is over with its first process, as in a container
      while (leader !== undefined && groupLives(leader)) {
        kill()
        await delay(10)
      }
      this.#alive.delete(living)
      ended(end)
    })
    const living = { kill, gone }
    this.#alive.add(living)
    return {
      stop: () => {
        signal('SIGTERM')
        const timer = setTimeout(kill, this.#grace)
        void gone.finally(() => clearTimeout(timer))
      },
      output: () => readFileSync(path),
    }
  }

  /** Ends everything that still runs. */
  async end(): Promise<void> {
    const all = [...this.#alive]
    for (const { kill } of all) kill()
    await Promise.all(all.map(({ gone }) => gone))
  }
}
