import { setTimeout as delay } from 'node:timers/promises'
import type { Owned } from './folder.ts'
import { processes } from './observe.ts'
import type { Alive } from './observe.ts'
import { signalGroup, signalProcess } from './processes.mjs'

/** How long one call waits for the end that it has asked for, in ms. */
const STOP_WAIT = 300
const LOOK_EVERY = 20
/** How much later than it should have ended a runner is killed too, in ms: it can only be one that has been suspended. */
const RUNNER_GRACE = 2000

/**
 * Makes sure that the job never runs, or ends it: all its processes get SIGTERM and, once the grace is over, SIGKILL. Its runner sees to
 * that; where the runner is gone or does not come to it, the calls themselves do, so `going` wants to be asked again.
 */
export async function stop(owned: Owned): Promise<'gone' | 'going'> {
  const { folder } = owned
  if (await folder.publish('claim', { by: 'stop', at: Date.now() })) return 'gone'
  const until = Date.now() + STOP_WAIT
  let alive = await processes(folder)
  if (alive !== undefined) await signal(owned, alive)
  while (alive !== undefined && Date.now() < until) {
    await delay(LOOK_EVERY)
    alive = await processes(folder)
  }
  return alive === undefined ? 'gone' : 'going'
}

async function signal({ folder, job }: Owned, { runner, leader }: Alive): Promise<void> {
  const now = Date.now()
  await folder.publish('stop', { at: now })
  const overdue = now - ((await folder.read('stop'))?.at ?? now) - job.killGrace
  if (overdue < 0 && runner !== undefined) signalProcess(runner, 'SIGTERM')
  else if (leader !== undefined) signalGroup(leader, overdue < 0 ? 'SIGTERM' : 'SIGKILL')
  if (overdue > RUNNER_GRACE && runner !== undefined) signalProcess(runner, 'SIGKILL')
}
