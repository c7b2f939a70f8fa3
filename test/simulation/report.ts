/** What many seeds have shown, summed up. */
import { FAULTS } from './faults.ts'
import type { Outcome } from './world.ts'

type Counts = Record<string, number>

export interface Sums {
  seeds: number
  steps: number
  starts: number
  adoptions: number
  profiles: Counts
  ends: Counts
  windows: Counts
  /** By the state of the job that was met, then by fault. */
  faults: Record<string, Counts>
  violations: Counts
  /** Of the seeds that failed, the first ones: what went wrong. */
  failed: { seed: number; profile: string; told: string }[]
}

export const noSums = (): Sums => ({ seeds: 0, steps: 0, starts: 0, adoptions: 0, profiles: {}, ends: {}, windows: {}, faults: {}, violations: {}, failed: [] })

const FAILED_KEPT = 20

export function addOutcome(sums: Sums, outcome: Outcome): void {
  const { seed, profile, violation, steps, starts, adoptions, ends, windows, faults } = outcome
  addSums(sums, {
    seeds: 1,
    steps,
    starts,
    adoptions,
    profiles: { [profile]: 1 },
    ends,
    windows,
    faults,
    violations: violation === undefined ? {} : { [violation.invariant]: 1 },
    failed: violation === undefined ? [] : [{ seed, profile, told: violation.message }],
  })
}

export function addSums(sums: Sums, more: Sums): void {
  sums.seeds += more.seeds
  sums.steps += more.steps
  sums.starts += more.starts
  sums.adoptions += more.adoptions
  for (const name of ['profiles', 'ends', 'windows', 'violations'] as const) addCounts(sums[name], more[name])
  for (const [state, row] of Object.entries(more.faults)) addCounts((sums.faults[state] ??= {}), row)
  sums.failed = [...sums.failed, ...more.failed].sort((a, b) => a.seed - b.seed).slice(0, FAILED_KEPT)
}

function addCounts(counts: Counts, more: Counts): void {
  for (const [name, count] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + count
}

const STATES_SHOWN = ['none', 'queued', 'submitting', 'pulling', 'submitted', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled', 'timed_out', 'lost', 'deleted', '-']

/** The report as lines of text. */
export function told(sums: Sums): string[] {
  const of = (...names: string[]): number => names.reduce((sum, name) => sum + (sums.violations[name] ?? 0), 0)
  const list = (counts: Counts): string =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  const width = Math.max(...FAULTS.map(({ length }) => length))
  const head = [''.padEnd(width), ...STATES_SHOWN.map((state) => state.slice(0, 7).padStart(7))].join(' ')
  const rows = FAULTS.map((fault) =>
    [fault.padEnd(width), ...STATES_SHOWN.map((state) => String(sums.faults[state]?.[fault] ?? '.').padStart(7))].join(' '),
  )
  return [
    'faults by the state of the job that they met (-: of no single job)',
    head,
    ...rows,
    '',
    `engines: ${list(sums.profiles)}`,
    `generations ended: ${list(sums.ends)}`,
    `windows that engines leave open, used and excused: ${list(sums.windows) || 'none'}`,
    `${sums.seeds} seeds, ${sums.steps} steps, ${sums.starts} starts, ${sums.adoptions} adoptions`,
    `duplicates ${of('double start', 'uncommitted start', 'overlap')}, lost ${of('lost record', 'log lost')}, stuck ${of('stuck')}, violations ${list(sums.violations) || 'none'}`,
    ...sums.failed.map(({ seed, profile, told: what }) => `seed ${seed} (${profile}): ${what}`),
  ]
}
