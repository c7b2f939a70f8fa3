import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Call } from '../contract.ts'
import type { Folder } from './folder.ts'

/** How long a release waits to see the runner take the job, in ms; the runner goes on whether it was seen or not. */
const CLAIM_WAIT = 3000
const LOOK_EVERY = 20

/**
 * Starts a runner for the job, if it is this deployment's and nobody has claimed it. The runner needs nothing of this process afterwards,
 * not even its life. Throws if there is no runner, or if it ended without the claim: then nothing has run, and a later release may.
 */
export async function release(folder: Folder, runner: string, { signal }: Call): Promise<void> {
  if ((await folder.job()) === undefined || (await folder.read('claim')) !== undefined) return
  signal.throwIfAborted()
  const child = spawn(process.execPath, [runner, folder.path], { cwd: '/', env: {}, detached: true, stdio: 'ignore' })
  await once(child, 'spawn')
  child.unref()
  const until = Date.now() + CLAIM_WAIT
  while (!signal.aborted && Date.now() < until) {
    const over = child.exitCode !== null || child.signalCode !== null
    if ((await folder.read('claim')) !== undefined || (await folder.job()) === undefined) return
    if (over) throw new Error(`the runner ended by ${child.signalCode ?? String(child.exitCode)} before it had the job`)
    await delay(LOOK_EVERY)
  }
}
