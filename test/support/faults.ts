import type { Backend } from '../../lib/backends/contract.ts'

/** The calls of a driver that may be made to fail. */
export type Faultable = 'check' | 'create' | 'release' | 'find' | 'observe' | 'logs' | 'stop' | 'remove'
/**
 * refused: the engine has not acted. lost: it has acted, and its answer is lost. hang: it has not acted, and never answers.
 * A function stands in for the engine's answer.
 */
export type Fault = 'refused' | 'lost' | 'hang' | ((act: () => Promise<unknown>) => Promise<unknown>)

/** A real driver with faults that its engine does not produce on demand, and a count of its calls. */
export interface FaultyBackend extends Backend {
  /** From now on, until `mend`, the call fails so; `times` limits it. */
  fail(call: Faultable, fault: Fault, times?: number): void
  mend(): void
  calls: Record<Faultable, number>
}

const CALLS: readonly Faultable[] = ['check', 'create', 'release', 'find', 'observe', 'logs', 'stop', 'remove']

export function faulty(real: Backend): FaultyBackend {
  const faults = new Map<Faultable, { fault: Fault; left: number }>()
  const calls = Object.fromEntries(CALLS.map((name) => [name, 0])) as Record<Faultable, number>

  async function through(name: Faultable, act: () => Promise<unknown>): Promise<unknown> {
    calls[name]++
    const planned = faults.get(name)
    if (planned === undefined || planned.left <= 0) return act()
    planned.left--
    if (typeof planned.fault === 'function') return planned.fault(act)
    if (planned.fault === 'hang') return new Promise(() => undefined)
    if (planned.fault === 'lost') await act()
    throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  }

  return new Proxy(real, {
    get(target, property, receiver) {
      if (property === 'calls') return calls
      if (property === 'mend') return () => faults.clear()
      if (property === 'fail') {
        return (call: Faultable, fault: Fault, times = Number.POSITIVE_INFINITY) => faults.set(call, { fault, left: times })
      }
      const value: unknown = Reflect.get(target, property, receiver)
      const name = CALLS.find((call) => call === property)
      if (name === undefined || typeof value !== 'function') return value
      return (...args: unknown[]) => through(name, async () => (value as (...a: unknown[]) => unknown).apply(target, args))
    },
  }) as FaultyBackend
}
