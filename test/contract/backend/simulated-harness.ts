import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { simBackend, supportsOf } from '../../simulation/driver.ts'
import type { EngineMoods, Profile, Wire } from '../../simulation/engines/profile.ts'
import { Random } from '../../simulation/random.ts'
import { SimEngine } from '../../simulation/sim-engine.ts'
import type { Witness } from '../../simulation/sim-engine.ts'
import type { Time } from '../../simulation/time.ts'
import type { BackendHarness } from './harness.ts'
import { ChildProcesses } from './simulated-work.ts'

/** Milliseconds: from a release to a start at most, from SIGTERM to SIGKILL, and of a message one way at most. */
const START_DELAY = 100
const GRACE = 200
const WAY = 4

/** The machine's own time. */
const time: Time = {
  get now() {
    return Date.now()
  },
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds)
    return () => clearTimeout(timer)
  },
}

/** Nobody watches here but the suite itself: the jobs count their own runs. */
const nobody: Witness = { started: () => undefined, touched: () => undefined }
const calm: EngineMoods = {
  refusesCreate: () => false,
  refusesStart: () => false,
  needsPreparation: () => false,
  stalls: () => undefined,
  window: (name) => {
    throw new Error(`nothing goes wrong here, but a window was used: ${name}`)
  },
}

/** Calls of all drivers come between each other, and take effect while they are under way. */
const wire = (random: Random): Wire => async (call, _words, _about, _changes, effect) => {
  await delay(random.between(0, WAY), undefined, { signal: call.signal })
  const answer = effect()
  await delay(random.between(0, WAY), undefined, { signal: call.signal })
  return answer
}
const cut: Wire = () => Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))

/** The simulation's own engine and driver, on the machine's time, with processes in place of timers. */
export const simulatedHarness = (profile: Profile): BackendHarness => ({
  supports: supportsOf(profile),
  readOnlyInputs: false,
  seesDirectories: false,
  patience: 10_000,
  watch: 200,
  async setUp() {
    const root = await mkdtemp(join(tmpdir(), 'pman-simulated-'))
    const storebase = join(root, 'storebase')
    await mkdir(storebase)
    const random = new Random(1)
    const work = new ChildProcesses(root, storebase, GRACE)
    const { behaviour } = profile
    // how long it takes is the machine's; an object that cannot be seen yet is no matter of a suite that asks once
    const quick = { ...behaviour, startDelay: Math.min(behaviour.startDelay, START_DELAY), hides: 0 }
    const engine = new SimEngine(time, random, nobody, quick, work)
    const open = (deployment: string, how: Wire) => simBackend(profile, { engine, wire: how, deployment, moods: calm, broken: {} })
    return {
      image: '',
      storebase,
      open: (deployment) => open(deployment, wire(random)),
      openUnreachable: () => open('contract', cut),
      async tearDown() {
        await work.end()
        await rm(root, { recursive: true, force: true })
      },
    }
  },
})
