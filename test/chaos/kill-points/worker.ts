/**
 * A serving process that kills itself: `node --import tsx worker.ts JSON`. It writes a line for each step that was answered; if it comes to
 * the end of its steps, it was never at the place where it was to die.
 */
import { writeSync } from 'node:fs'
import type { KillPoint } from '../../../lib/jobs/kill-points.ts'
import { call, openDeployment, type Place } from './deployment.ts'
import { SCENARIOS, take } from './scenarios.ts'

/** What a worker is told. */
export interface Orders {
  place: Place
  scenario: string
  kill: KillPoint
  /** At which time that it comes there. */
  nth: number
}

const { place, scenario: name, kill, nth } = JSON.parse(process.argv[2] ?? '') as Orders
const scenario = SCENARIOS[name]
if (scenario === undefined) throw new Error(`there is no scenario "${name}"`)

let times = 0
const deployment = await openDeployment(place, scenario, (point) => {
  if (point === kill && ++times === nth) process.kill(process.pid, 'SIGKILL')
})
if (scenario.fault !== undefined) deployment.engine.fail(scenario.fault, 'refused', 1)
// what a driver loads when it is first asked takes no time from the steps
await deployment.engine.health(call())
for (const step of scenario.steps) {
  await take(step, deployment, scenario)
  writeSync(1, `${step}\n`)
}
process.exit(0)
