import { Random } from '../../simulation/random.ts'
import type { Delay } from './exchange.ts'
import { FAULT_NAMES, type Fault } from './faults.ts'

/** A request as far as faults are chosen by it. */
export interface Asked {
  method: string
  /** With its query, as it came. */
  path: string
}

/** Requests that change nothing (RFC 9110 section 9.2.1), and all others. */
export type Kind = 'read' | 'change'
export const kindOf = ({ method }: Pick<Asked, 'method'>): Kind => (['GET', 'HEAD', 'OPTIONS'].includes(method) ? 'read' : 'change')

/** Which requests; what is left out does not matter. */
export interface Match {
  method?: string
  /** Found anywhere in the path and its query. */
  path?: RegExp
  kind?: Kind
  /** From the nth such request on; 1 is the first. */
  nth?: number
}

/** A fault that waits for its requests. */
export interface Rule {
  match: Match
  fault: Fault
  /** Matching requests that are still let through. */
  pass: number
  /** Matching requests that then get the fault. */
  left: number
  /** For a fault that delays. */
  delay?: Delay | undefined
}

/** Chance, by kind of request: from 0 to 1. */
export type Rate = number | Readonly<Record<Kind, number>>

export interface Chance {
  seed: number
  rate: Rate
  /** Of these faults; without it, of all. */
  only?: readonly Fault[] | undefined
}

/** What becomes of each request: rules first, in their order, then chance. */
export class Plan {
  readonly rules: Rule[] = []
  #chance: { random: Random; rates: Readonly<Record<Kind, number>>; faults: readonly Fault[] } | undefined

  next(match: Match, fault: Fault, { times = 1, delay }: { times?: number; delay?: Delay | undefined } = {}): void {
    this.rules.push({ match, fault, pass: (match.nth ?? 1) - 1, left: times, delay })
  }

  random({ seed, rate, only = FAULT_NAMES }: Chance): void {
    const rates = typeof rate === 'number' ? { read: rate, change: rate } : rate
    this.#chance = { random: new Random(seed), rates, faults: only }
  }

  /** No faults from now on. */
  calm(): void {
    this.rules.length = 0
    this.#chance = undefined
  }

  /** The fault that this request gets; undefined: none. */
  faultFor(asked: Asked): Pick<Rule, 'fault' | 'delay'> | undefined {
    for (const [n, rule] of this.rules.entries()) {
      if (!fits(rule.match, asked)) continue
      if (rule.pass > 0) {
        rule.pass--
        continue
      }
      if (--rule.left <= 0) this.rules.splice(n, 1)
      return rule
    }
    const chance = this.#chance
    return chance?.random.chance(chance.rates[kindOf(asked)]) === true ? { fault: chance.random.pick(chance.faults) } : undefined
  }
}

function fits({ method, path, kind }: Match, asked: Asked): boolean {
  const isThere = path === undefined || asked.path.search(path) >= 0
  return isThere && (method ?? asked.method) === asked.method && (kind ?? kindOf(asked)) === kindOf(asked)
}
