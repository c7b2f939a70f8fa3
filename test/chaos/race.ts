import type { Call, Found } from '../../lib/backends/contract.ts'
import { PmanError } from '../../lib/errors.ts'
import { dispatchJob } from '../../lib/jobs/dispatcher.ts'
import type { JobKey, JobSpec } from '../../lib/jobs/types.ts'
import type { Random } from '../simulation/random.ts'
import type { Faultable } from '../support/faults.ts'
import { ANYONE, type Gateway } from '../support/gateway.ts'

/** What an operation came to: its answer, or the code of its refusal. Anything else that is thrown is passed on. */
export async function outcome<T>(asked: Promise<T>): Promise<{ answer: T } | { code: string }> {
  try {
    return { answer: await asked }
  } catch (error) {
    if (error instanceof PmanError) return { code: error.code }
    throw error
  }
}

/** A job that writes down, for each run, the engine object that it runs as, then does what the shell script says. */
export const traced = (gateway: Gateway, key: JobKey, script: string): JobSpec =>
  gateway.script(key, `pwd >> /share/outgoing/objects\n${script}`)

/** The engine names of the runs that there have been, each generation having one of its own. */
export const runsByName = (gateway: Gateway, key: JobKey): string[] =>
  gateway
    .output(key, 'objects')
    .split('\n')
    .filter((line) => line !== '')
    .map((path) => path.split('/').at(-2)?.split('.')[0] ?? '')

/** What the engine still holds of a jid. */
export async function held(gateway: Gateway, { jid }: JobKey): Promise<Found[]> {
  const call: Call = { signal: new AbortController().signal, deadline: Number.POSITIVE_INFINITY, log: () => undefined }
  const found: Found[] = []
  for await (const one of gateway.engine.list(call)) if (one.labels?.jid === jid) found.push(one)
  return found
}

/** What callers, and the service of its own accord, do to one jid, and the refusals that may be the answer. */
const OPERATIONS = {
  submit: { do: ({ gateway, key, script }) => gateway.service.submit(ANYONE, key, traced(gateway, key, script)), refusals: ['conflict'] },
  cancel: { do: ({ gateway, key }) => gateway.service.cancel(ANYONE, key), refusals: ['not_found'] },
  delete: { do: ({ gateway, key }) => gateway.service.delete(ANYONE, key), refusals: ['not_found'] },
  status: { do: ({ gateway, key }) => gateway.service.status(ANYONE, key), refusals: ['not_found'] },
  logs: { do: ({ gateway, key }) => gateway.service.logs(ANYONE, key, 10), refusals: ['not_found'] },
  dispatch: { do: ({ gateway, key }) => dispatchJob(gateway.core, key), refusals: [] },
  cleanup: { do: ({ gateway }) => gateway.cleanup(), refusals: [] },
} satisfies Record<string, { do: (at: Move) => Promise<unknown>; refusals: readonly string[] }>

interface Move {
  gateway: Gateway
  key: JobKey
  script: string
}

/** How often each is drawn. */
const DECK: readonly (keyof typeof OPERATIONS)[] = [
  ...(['submit', 'submit', 'submit', 'submit', 'delete', 'delete', 'cancel'] as const),
  ...(['status', 'status', 'logs', 'dispatch', 'dispatch', 'cleanup'] as const),
]
const SCRIPTS = ['echo a; exit 3', 'echo b; sleep 0.3', 'echo c; sleep 30']
const SLOW: readonly Faultable[] = ['create', 'release', 'observe', 'stop', 'remove']

/** The engine takes its time, now and then loses its answer, and refuses nothing. */
export function unsteady(gateway: Gateway, random: Random): void {
  for (const call of SLOW) {
    gateway.engine.fail(call, async (act) => {
      await pause(random.chance(0.5) ? random.spread(1, 150) : 0)
      const answer = await act()
      await pause(random.chance(0.3) ? random.spread(1, 150) : 0)
      if (random.chance(0.1)) throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
      return answer
    })
  }
}

/** Plays a hand of operations on one jid, each at a moment of its own; returns refusals that none of them may give. */
export async function race(gateway: Gateway, key: JobKey, random: Random): Promise<string[]> {
  const script = random.pick(SCRIPTS)
  const hand = Array.from({ length: random.between(8, 20) }, () => ({
    operation: random.pick(DECK),
    at: random.between(0, 600),
    script: random.chance(0.85) ? script : random.pick(SCRIPTS),
  }))
  const strange = await Promise.all(
    [{ operation: 'submit' as const, at: 0, script }, ...hand].map(async ({ operation, at, script }) => {
      await pause(at)
      const row: { do: (move: Move) => Promise<unknown>; refusals: readonly string[] } = OPERATIONS[operation]
      const result = await outcome(row.do({ gateway, key, script }))
      return 'code' in result && !row.refusals.includes(result.code) ? [`${operation}: ${result.code}`] : []
    }),
  )
  return strange.flat()
}

export const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Runs cleanup until a condition holds; false if that takes more rounds than these. */
export async function within(rounds: number, gateway: Gateway, met: () => Promise<boolean>): Promise<boolean> {
  for (let round = 0; round < rounds; round++) {
    if (await met()) return true
    await gateway.cleanup()
    await pause(50)
  }
  return met()
}
