import * as fc from 'fast-check'
import type { Observation } from '../../lib/backends/contract.ts'
import {
  deadlineOf,
  decideLook,
  isActive,
  isFinal,
  isObservable,
  isWaiting,
  LOOKS,
  SIGHTS,
  sightOf,
  TRANSITIONS,
  workAt,
  type Sight,
} from '../../lib/jobs/lifecycle.ts'
import { REASON_NAMES, REASONS } from '../../lib/jobs/reasons.ts'
import { DEFAULT_TIMING } from '../../lib/jobs/timing.ts'
import { COMMITTED_STATES, FINAL_STATES, STATES, type JobRecord, type State } from '../../lib/jobs/types.ts'
import * as writes from '../../lib/jobs/writes.ts'
import { record } from '../support/records.ts'

const NOW = 1_000_000_000_000
const timing = DEFAULT_TIMING

const SEEN: Record<Sight, Observation> = {
  inert: { kind: 'inert' },
  waiting: { kind: 'state', phase: 'waiting', message: 'no room' },
  running: { kind: 'state', phase: 'running', startedAt: NOW - 5 },
  stopping: { kind: 'state', phase: 'stopping' },
  ended: { kind: 'state', phase: 'ended', reason: 'NonZeroExit', exitCode: 3, finishedAt: NOW },
  withdrawn: { kind: 'state', phase: 'withdrawn' },
  absent: { kind: 'absent' },
  unknown: { kind: 'unknown', error: 'refused' },
}
const succeeded: Observation = { kind: 'state', phase: 'ended', reason: 'Completed', exitCode: 0, finishedAt: NOW }

const arbitraryState = fc.constantFrom(...STATES)
const arbitrarySight = fc.constantFrom(...SIGHTS)
/** Records in any state with any of the fields that a decision looks at. */
const arbitraryRecord = fc
  .record({
    state: arbitraryState,
    ref: fc.option(fc.constant('ref-1'), { nil: undefined }),
    attempt: fc.integer({ min: 0, max: 3 }),
    stateSince: fc.integer({ min: NOW - 10 * timing.retention, max: NOW }),
    startedAt: fc.option(fc.integer({ min: NOW - 1000, max: NOW }), { nil: undefined }),
    neverRan: fc.option(fc.constant(true), { nil: undefined }),
    leaseUntil: fc.option(fc.integer({ min: NOW - 100, max: NOW + 100 }), { nil: undefined }),
    absent: fc.option(fc.record({ since: fc.integer({ min: NOW - 200_000, max: NOW }), looks: fc.integer({ min: 1, max: 5 }) }), { nil: undefined }),
    unreachable: fc.option(fc.record({ since: fc.integer({ min: NOW - 2 * timing.unreachableAfter, max: NOW }), error: fc.constant('x') }), {
      nil: undefined,
    }),
  })
  .map((fields) => record(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))))

describe('states', () => {
  test.each(STATES)('%s is waiting, with the engine, final, or the tombstone: exactly one of them', (state) => {
    const kinds = [isWaiting(state), isActive(state) && !isWaiting(state), isFinal(state), state === 'deleted']
    expect(kinds.filter(Boolean)).toHaveLength(1)
  })

  test.each(STATES.filter((state) => isActive(state)))('%s is not final and has a deadline', (state) => {
    expect(deadlineOf(record({ state }), timing)?.at).toBeGreaterThan(NOW)
  })

  test.each([...FINAL_STATES, 'deleted' as const])('%s has no deadline', (state) => {
    expect(deadlineOf(record({ state }), timing)).toBeUndefined()
  })

  test('a final state is followed by the tombstone alone', () => {
    for (const state of FINAL_STATES) expect(TRANSITIONS[state]).toEqual(['deleted'])
  })
})

describe('reasons', () => {
  test.each(REASON_NAMES)('%s names a final state, says whether to repeat, and tells a person', (name) => {
    const reason = REASONS[name]
    expect(FINAL_STATES).toContain(reason.final)
    expect(typeof reason.mayRepeat).toBe('boolean')
    expect(reason.tell.length).toBeGreaterThan(10)
  })

  test('only what surely ended with exit code 0 succeeds', () => {
    expect(REASON_NAMES.filter((name) => REASONS[name].final === 'succeeded')).toEqual(['Completed'])
  })
})

describe('a look', () => {
  // rows: state; columns: sight -> what is done
  const table: Record<(typeof COMMITTED_STATES)[number], Record<Sight, string>> = {
    submitted: { inert: 'release', waiting: 'note', running: 'run', stopping: 'run', ended: 'end failed', withdrawn: 'end cancelled', absent: 'note', unknown: 'note' },
    running: { inert: 'nothing', waiting: 'note', running: 'note', stopping: 'note', ended: 'end failed', withdrawn: 'end cancelled', absent: 'note', unknown: 'note' },
    cancelling: { inert: 'stop', waiting: 'stop', running: 'stop', stopping: 'stop', ended: 'end cancelled', withdrawn: 'end cancelled', absent: 'end cancelled', unknown: 'note' },
  }
  const cells = COMMITTED_STATES.flatMap((state) => SIGHTS.map((sight) => [state, sight, table[state][sight]] as const))

  test.each(cells)('%s, seen %s: %s', (state, sight, expected) => {
    const step = decideLook(record({ state, ref: 'ref-1', attempt: 1 }), SEEN[sight], NOW, timing)
    expect(step.do === 'end' ? `end ${step.end.state}` : step.do).toBe(expected)
  })

  test('the table has a cell for every state with the engine and every sight', () => {
    for (const state of COMMITTED_STATES) expect(Object.keys(LOOKS[state]).sort()).toEqual([...SIGHTS].sort())
    for (const sight of SIGHTS) expect(sightOf(SEEN[sight])).toBe(sight)
  })

  test('every observation in every state has a result, and only a job with the engine is changed by one', () => {
    fc.assert(
      fc.property(arbitraryRecord, arbitrarySight, (job, sight) => {
        const step = decideLook(job, SEEN[sight], NOW, timing)
        if (!isObservable(job)) expect(step).toEqual({ do: 'nothing' })
        if (step.do === 'end') expect(step.end.state).toBe(REASONS[step.end.reason].final)
      }),
    )
  })

  test('absence and unreachability never become a success', () => {
    fc.assert(
      fc.property(arbitraryRecord, fc.constantFrom<Sight>('absent', 'unknown'), (job, sight) => {
        const step = decideLook(job, SEEN[sight], NOW, timing)
        expect(step.do === 'end' && step.end.state === 'succeeded').toBe(false)
      }),
    )
  })

  test('absent: lost only after the grace period and several looks', () => {
    const job = (since: number, looks: number): JobRecord => record({ state: 'running', ref: 'r', absent: { since, looks } })
    const early = decideLook(job(NOW - timing.absentGrace + 1, 10), SEEN.absent, NOW, timing)
    const seldom = decideLook(job(NOW - 10 * timing.absentGrace, timing.absentLooks - 2), SEEN.absent, NOW, timing)
    const both = decideLook(job(NOW - timing.absentGrace, timing.absentLooks - 1), SEEN.absent, NOW, timing)
    expect([early.do, seldom.do, both.do]).toEqual(['note', 'note', 'end'])
    expect(both).toMatchObject({ end: { state: 'lost', reason: 'EngineForgot' } })
  })

  test.each([
    ['running', 'absent', 0],
    ['cancelling', 'absent', 0],
    ['running', 'unknown', timing.unreachableAfter],
  ] as const)('%s, seen %s, after its end was seen: that end, and that its log is missing', (state, sight, ago) => {
    const endSeen = { since: NOW - ago, end: { state: 'failed', reason: 'NonZeroExit', exitCode: 3, message: 'oops' } } as const
    const job = record({ state, ref: 'r', reason: 'TimeLimit', endSeen, unreachable: { since: NOW - ago, error: 'x' } })
    expect(decideLook(job, SEEN[sight], NOW, timing)).toEqual({
      do: 'end',
      forgotten: true,
      end: { ...endSeen.end, message: 'oops; its log could not be read' },
    })
  })

  test('an engine that answers again ends the count of absences', () => {
    const job = record({ state: 'running', ref: 'r', absent: { since: NOW - 1, looks: 2 } })
    const step = decideLook(job, SEEN.running, NOW, timing)
    expect(step).toMatchObject({ do: 'note', seen: { startedAt: NOW - 5 } })
    expect(step.do === 'note' && step.seen.absent).toBeUndefined()
  })

  test('unreachable: the last state stays, with since when; lost only after a day', () => {
    const first = decideLook(record({ state: 'running', ref: 'r' }), SEEN.unknown, NOW, timing)
    expect(first).toMatchObject({ do: 'note', seen: { unreachable: { since: NOW, error: 'refused' } } })
    const since = NOW - timing.unreachableAfter
    const late = decideLook(record({ state: 'running', ref: 'r', unreachable: { since, error: 'refused' } }), SEEN.unknown, NOW, timing)
    expect(late).toMatchObject({ end: { state: 'lost', reason: 'EngineUnreachable' } })
    // nobody is asked for a log, and it is no end that was seen
    expect(late).toMatchObject({ do: 'end', forgotten: true })
  })

  test('a stop that nobody confirms is given up a day after it was asked for; an end whose log is awaited, a day after the last answer', () => {
    const since = NOW - 1000
    const job = record({ state: 'cancelling', stateSince: NOW - timing.unreachableAfter, ref: 'r', unreachable: { since, error: 'x' } })
    expect(decideLook(job, SEEN.unknown, NOW, timing)).toMatchObject({ end: { reason: 'EngineUnreachable' } })
    const endSeen = { since, end: { state: 'failed', reason: 'NonZeroExit' } } as const
    expect(decideLook({ ...job, endSeen }, SEEN.unknown, NOW, timing)).toMatchObject({ do: 'note', seen: { unreachable: { since }, endSeen } })
  })

  test.each([
    ['exit 0 stays the job’s own', succeeded, 'succeeded'],
    ['an end before the request stays the job’s own', { ...SEEN.ended, finishedAt: NOW - 100 }, 'failed'],
    ['any other end is what was asked for', SEEN.ended, 'timed_out'],
  ])('while cancelling, %s', (_, seen, expected) => {
    const job = record({ state: 'cancelling', reason: 'TimeLimit', stateSince: NOW - 50, ref: 'r' })
    expect(decideLook(job, seen, NOW, timing)).toMatchObject({ do: 'end', end: { state: expected } })
  })
})

describe('writes and states', () => {
  const stamp = { now: NOW, writeId: 'w2', by: 'test' }
  const seen = { message: 'm' }
  const arbitraryRow = fc.constantFrom<[string, (job: JobRecord) => writes.Row]>(
    ['take over', ({ epoch }) => writes.takeOver({ epoch, newEpoch: 'e2', leaseUntil: NOW + 1 })],
    ['ready', ({ epoch }) => writes.ready({ epoch })],
    ['pull', ({ epoch }) => writes.pull({ epoch })],
    ['prepared', ({ epoch }) => writes.prepared({ epoch, prepared: '{}' })],
    ['commit', ({ epoch }) => writes.commit({ epoch, ref: 'ref-2' })],
    ['release again', ({ epoch, attempt }) => writes.releaseAgain({ epoch, attempt })],
    ['refused', ({ epoch }) => writes.refused({ epoch, reason: 'EngineRejected', message: 'no' })],
    ['exhausted', ({ epoch }) => writes.exhausted({ epoch, reason: 'DispatchExhausted', message: 'no' })],
    ['elect', ({ epoch }) => writes.elect({ epoch, interval: 1 })],
    ['look', ({ epoch, state }) => writes.look({ epoch, state, seen, running: state === 'submitted' })],
    ['end', ({ epoch, state, stopSent }) => writes.end({ epoch, state, stopSent, end: { state: 'failed', reason: 'NonZeroExit' } })],
    ['stopping', ({ epoch }) => writes.stopping({ epoch })],
    ['renew', ({ epoch }) => writes.renew({ epoch, leaseUntil: NOW + 9 })],
    ['hand over', ({ epoch }) => writes.handOver({ epoch, leaseUntil: NOW, failed: true })],
    ['cancel', ({ engineName }) => writes.cancel({ engineName, epoch: 'e2', reason: 'CancelRequested' })],
    ['removed', () => writes.removed({ engineName: 'older', kept: false, tombstone: 1 })],
    ['expire', ({ engineName }) => writes.expire({ engineName })],
  )

  test('no path leaves a final state but by delete, and every change of state is one of the table', () => {
    fc.assert(
      fc.property(arbitraryRecord, fc.array(arbitraryRow, { maxLength: 12 }), (job, rows) => {
        let current = job
        for (const [, row] of rows) {
          const next = row(current)(current, stamp)
          if (next === undefined) continue
          if (next.state !== current.state) expect(TRANSITIONS[current.state] as State[]).toContain(next.state)
          current = next
        }
        if (isFinal(job.state) || job.state === 'deleted') expect(current.state).toBe(job.state)
      }),
      { numRuns: 500 },
    )
  })

  test('a commit waits for what `previous` holds, whatever the state says', () => {
    const previous = [{ engineName: 'older', generation: 1, requestId: 'r', ref: 'ref-0' }]
    const commit = writes.commit({ epoch: 'epoch-1', ref: 'ref-1' })
    expect(commit(record({ state: 'submitting', previous }), stamp)).toBeUndefined()
    expect(commit(record({ state: 'submitting', previous: [{ ...previous[0], ended: true } as (typeof previous)[0]] }), stamp)).toBeDefined()
  })

  test('history is bounded, keeps its first entry and its latest', () => {
    let job = record({ state: 'submitted', ref: 'r', attempt: 1 })
    for (let n = 0; n < 60; n++) job = writes.releaseAgain({ epoch: job.epoch, attempt: job.attempt })(job, { ...stamp, writeId: `w${n}` }) ?? job
    expect(job.history).toHaveLength(writes.HISTORY_LENGTH)
    expect(job.history[0]?.write).toBe('intent')
    expect(job.history.at(-1)?.writeId).toBe('w59')
  })

  test('whatever is not over is in the work index, and what is over is not', () => {
    fc.assert(
      fc.property(arbitraryRecord, (job) => {
        expect(workAt(job, timing) === undefined).toBe(job.ttl !== undefined)
      }),
    )
    expect(workAt(record({ state: 'deleted', ttl: 1 }), timing)).toBeUndefined()
  })
})
