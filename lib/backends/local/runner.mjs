// Runs one job: `node runner.mjs FOLDER`. A process of its own, so that the job does not need whoever released it.
import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode, FILES, publish, readJson } from './files.mjs'
import { groupLives, identify, signalGroup } from './processes.mjs'

/**
 * @typedef {import('./folder.ts').JobFile} JobFile
 * @typedef {import('./folder.ts').EndFile} EndFile
 * @typedef {import('./processes.mjs').Identity} Identity
 * @typedef {{ exitCode: number | null, signal: NodeJS.Signals | null, finishedAt: number }} Exit
 * @typedef {{ identity: Identity, exit: Promise<Exit>, startedAt: number }} Started
 */

/** The longest delay, in ms, that a timer of Node.js can have. */
const LONGEST_TIMER = 2 ** 31 - 1

const folder = process.argv[2] ?? ''
/** @param {string} name */
const at = (name) => join(folder, name)

const asked = new AbortController()
for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) process.on(signal, () => asked.abort())
process.on('SIGHUP', () => undefined)

const job = /** @type {JobFile | undefined} */ (await readJson(at(FILES.job)))
const claimed = job !== undefined && (await publish(at(FILES.claim), { by: 'runner', runner: identify(process.pid), at: Date.now() }))
if (claimed) {
  const end = await ended(job)
  await persistently(() => publish(at(FILES.end), end))
}
process.exit()

/** @param {JobFile} job @returns {Promise<EndFile>} */
async function ended(job) {
  if (asked.signal.aborted) return { kind: 'withdrawn', finishedAt: Date.now() }
  try {
    return await followed(job, await started(job))
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { kind: 'failed', code: errorCode(error), message, finishedAt: Date.now() }
  }
}

/**
 * Throws what the system says if the program cannot be started.
 * @param {JobFile} job
 * @returns {Promise<Started>}
 */
async function started({ argv: [program = '', ...args], env }) {
  const log = await open(at(FILES.log), 'a', 0o600)
  try {
    const variables = Object.fromEntries(env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]))
    const child = spawn(program, args, { cwd: at(FILES.work), env: variables, detached: true, stdio: ['ignore', log.fd, log.fd] })
    // At once: after it has been waited for, nobody can tell who it was.
    const identity = child.pid === undefined ? undefined : identify(child.pid)
    /** @type {Started['exit']} */
    const exit = new Promise((resolve) => child.once('exit', (exitCode, signal) => resolve({ exitCode, signal, finishedAt: Date.now() })))
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    if (identity === undefined) throw new Error('the system does not tell when the process began')
    return { identity, exit, startedAt: Date.now() }
  } finally {
    await log.close()
  }
}

/**
 * Writes down which process the job is, waits for its end, and ends what it leaves behind.
 * @param {JobFile} job
 * @param {Started} started
 * @returns {Promise<EndFile>}
 */
async function followed({ timeLimit, killGrace }, { identity, exit, startedAt }) {
  const over = new AbortController()
  let timedOut = false
  const stop = () => {
    signalGroup(identity, 'SIGTERM')
    void after(killGrace, over.signal, () => signalGroup(identity, 'SIGKILL'))
  }
  try {
    // A job that nobody could find again must not go on.
    if (!(await publish(at(FILES.started), { process: identity, startedAt }))) throw new Error('the folder of the job is gone')
    if (asked.signal.aborted) stop()
    asked.signal.addEventListener('abort', stop, { once: true, signal: over.signal })
    if (timeLimit > 0) {
      void after(timeLimit * 1000, over.signal, () => {
        timedOut = !asked.signal.aborted
        stop()
      })
    }
    const { exitCode, signal, finishedAt } = await exit
    return { kind: 'exited', exitCode, signal, timedOut, startedAt, finishedAt }
  } finally {
    over.abort()
    for (let wait = 10; groupLives(identity); wait = Math.min(2 * wait, 1000)) {
      signalGroup(identity, 'SIGKILL')
      await delay(wait)
    }
  }
}

/**
 * Does something later, however late that is, unless it is called off.
 * @param {number} ms
 * @param {AbortSignal} signal
 * @param {() => void} act
 */
async function after(ms, signal, act) {
  try {
    for (let left = ms; left > 0; left -= LONGEST_TIMER) await delay(Math.min(left, LONGEST_TIMER), undefined, { signal })
    act()
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Until the disk has room again: how a job ended is known here alone. @param {() => Promise<unknown>} act */
async function persistently(act) {
  for (;;) {
    try {
      await act()
      return
    } catch {
      await delay(1000)
    }
  }
}
