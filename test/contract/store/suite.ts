import { createHash, randomBytes } from 'node:crypto'
import type { JobStore } from '../../../lib/jobs/store.ts'
import { DEFAULT_TIMING } from '../../../lib/jobs/timing.ts'
import { FINAL_STATES, STATES, type JobKey, type JobRecord, type State } from '../../../lib/jobs/types.ts'
import * as writes from '../../../lib/jobs/writes.ts'
import { spec } from '../../support/records.ts'

/** What the suite needs of a store: one on a fresh table, and a clock that the test moves. */
export interface StoreHarness {
  open(clock: () => number): Promise<JobStore>
}

const START = 1_700_000_000_000
const timing = DEFAULT_TIMING

/** What every job store must do, row by row of the table of writes. */
export function storeContract(name: string, harness: StoreHarness): void {
  describe(`job store: ${name}`, () => {
    let now = START
    let store: JobStore
    let count = 0
    beforeAll(async () => {
      store = await harness.open(() => now)
    })
    beforeEach(() => {
      now = START
    })

    const compute = `c-${randomBytes(4).toString('hex')}`
    const newKey = (): JobKey => ({ compute, jid: `job ${++count} ü` })
    const write = (key: JobKey, row: writes.Row) => store.write(key, 'test', row)

    function intention(key: JobKey, over: Partial<writes.Intent> = {}): writes.Intent {
      return {
        key,
        specHash: 'hash-1',
        requestId: `r${count}`,
        image: 'local/plugin:1',
        auid: 'cube',
        command: ['plugin'],
        timeLimit: undefined,
        warnings: [],
        engineName: `n-${randomBytes(6).toString('hex')}`,
        epoch: `e-${randomBytes(6).toString('hex')}`,
        leaseUntil: now + timing.lease,
        ...over,
      }
    }

    async function must(key: JobKey, row: writes.Row): Promise<JobRecord> {
      const { applied, record } = await write(key, row)
      if (!applied || record === undefined) throw new Error('the write was not applied')
      return record
    }
    const begun = async (key: JobKey): Promise<JobRecord> => must(key, writes.intent(await store.read(key), intention(key)))

    /** A record in this state, made by the writes that lead there. */
    async function inState(state: State, key = newKey()): Promise<JobRecord> {
      if (state === 'queued') {
        const older = await inState('submitted', key)
        await must(key, writes.remove({ engineName: older.engineName, epoch: 'gone' }))
        return begun(key)
      }
      const first = await begun(key)
      const { epoch, engineName } = first
      if (state === 'submitting') return first
      if (state === 'pulling') return must(key, writes.pull({ epoch }))
      const submitted = await must(key, writes.commit({ epoch, ref: 'ref-1' }))
      if (state === 'submitted') return submitted
      if (state === 'running') return must(key, writes.look({ epoch, state: 'submitted', seen: {}, running: true }))
      if (state === 'deleted') return must(key, writes.remove({ engineName, epoch: 'epoch-d' }))
      if (state === 'cancelling') return must(key, writes.cancel({ engineName, epoch: 'epoch-c', reason: 'CancelRequested' }))
      return must(key, writes.end({ epoch, state: 'submitted', end: { state, reason: 'NonZeroExit' }, capture: 'c1' }))
    }

    /** The write is applied exactly in these states, and in all others changes nothing. */
    function onlyIn(states: readonly State[], row: (record: JobRecord) => writes.Row, expected: (record: JobRecord) => Partial<JobRecord>): void {
      test.each(STATES)('in %s', async (state) => {
        const before = await inState(state)
        const { applied } = await write(before, row(before))
        const after = await store.read(before)
        expect(applied).toBe(states.includes(state))
        if (applied) expect(after).toMatchObject(expected(before))
        else expect(after).toEqual(before)
      })
    }

    /** With another epoch than the record's nothing is changed. */
    async function fenced(state: State, row: (record: JobRecord) => writes.Row): Promise<void> {
      const before = await inState(state)
      expect((await write(before, row({ ...before, epoch: 'stale' }))).applied).toBe(false)
      expect(await store.read(before)).toEqual(before)
    }

    const WAITING = ['queued', 'submitting', 'pulling'] as const
    const HELD = ['submitting', 'pulling'] as const

    describe('intent', () => {
      test('a free jid: generation 1, submitting, not committed', async () => {
        const record = await begun(newKey())
        expect(record).toMatchObject({ generation: 1, state: 'submitting', attempt: 0, previous: [], createdAt: START, readyAt: START })
        expect(record.ref).toBeUndefined()
        expect(await store.read(record)).toEqual(record)
      })

      test.each(STATES.filter((state) => state !== 'deleted'))('a jid that is %s is not taken', async (state) => {
        const before = await inState(state)
        expect((await write(before, writes.intent(before, intention(before)))).applied).toBe(false)
        expect((await write(before, writes.intent(undefined, intention(before)))).applied).toBe(false)
        expect(await store.read(before)).toEqual(before)
      })

      test('after a delete: the next generation, which waits for the committed one', async () => {
        const deleted = await inState('deleted')
        const next = await must(deleted, writes.intent(deleted, intention(deleted)))
        expect(next).toMatchObject({ generation: 2, state: 'queued', previous: [{ engineName: deleted.engineName, ref: 'ref-1' }] })
        expect(next.readyAt).toBeUndefined()
      })

      test('after one that never ran: the next generation, the old name carried', async () => {
        const key = newKey()
        const { epoch, engineName } = await begun(key)
        const failed = await must(key, writes.exhausted({ epoch, reason: 'DispatchExhausted', message: 'late' }))
        const next = await must(key, writes.intent(failed, intention(key)))
        expect(next).toMatchObject({ generation: 2, state: 'submitting', previous: [{ engineName, generation: 1 }] })
      })

      test('a tombstone that another submission has taken meanwhile is not taken', async () => {
        const deleted = await inState('deleted')
        await must(deleted, writes.intent(deleted, intention(deleted)))
        expect((await write(deleted, writes.intent(deleted, intention(deleted)))).applied).toBe(false)
      })

      test('an expired record counts as absent, for reads and for the intent', async () => {
        const key = newKey()
        const { engineName } = await inState('failed', key)
        await must(key, writes.expire({ engineName }))
        now += 1000
        expect(await store.read(key)).toBeUndefined()
        expect(await store.readWithLog(key, 100)).toBeUndefined()
        expect(await begun(key)).toMatchObject({ generation: 1, previous: [] })
      })

      test('of 20 at once one is made', async () => {
        const key = newKey()
        const results = await Promise.all(Array.from({ length: 20 }, () => write(key, writes.intent(undefined, intention(key)))))
        expect(results.filter(({ applied }) => applied)).toHaveLength(1)
        const winner = results.find(({ applied }) => applied)?.record
        expect(await store.read(key)).toEqual(winner)
        for (const { record } of results) expect(record?.epoch).toBe(winner?.epoch)
      })
    })

    describe('take over', () => {
      const row = (record: JobRecord): writes.Row => writes.takeOver({ epoch: record.epoch, newEpoch: 'epoch-2', leaseUntil: now + 1 })
      test.each(WAITING)('%s, once the lease is over', async (state) => {
        const before = await inState(state)
        expect((await write(before, row(before))).applied).toBe(false)
        now += timing.lease
        expect(await must(before, row(before))).toMatchObject({ state, epoch: 'epoch-2', leaseUntil: now + 1 })
      })
      test.each(STATES.filter((state) => !(WAITING as readonly State[]).includes(state)))('not in %s', async (state) => {
        const before = await inState(state)
        now += timing.lease
        expect((await write(before, row(before))).applied).toBe(false)
      })
      test('of 20 at once one is made', async () => {
        const before = await inState('submitting')
        now += timing.lease
        const rows = Array.from({ length: 20 }, (_, n) => writes.takeOver({ epoch: before.epoch, newEpoch: `epoch-${n}`, leaseUntil: now + 5 }))
        const results = await Promise.all(rows.map((each) => write(before, each)))
        expect(results.filter(({ applied }) => applied)).toHaveLength(1)
      })
    })

    describe('ready', () => {
      test('queued becomes submitting once nothing committed is left in previous', async () => {
        const before = await inState('queued')
        const { epoch } = before
        expect((await write(before, writes.ready({ epoch }))).applied).toBe(false)
        now += 5
        await must(before, writes.removed({ engineName: before.previous[0]?.engineName ?? '', kept: false, tombstone: timing.tombstone }))
        expect(await must(before, writes.ready({ epoch }))).toMatchObject({ state: 'submitting', readyAt: now, stateSince: now })
      })
      test('fenced by the epoch', () => fenced('queued', ({ epoch }) => writes.ready({ epoch })))
    })

    describe('pull', () => {
      onlyIn(HELD, ({ epoch }) => writes.pull({ epoch }), () => ({ state: 'pulling' }))
      test('fenced by the epoch', () => fenced('submitting', ({ epoch }) => writes.pull({ epoch })))
    })

    describe('prepared', () => {
      onlyIn(HELD, ({ epoch }) => writes.prepared({ epoch, prepared: '{"digest":"d"}' }), () => ({ state: 'submitting', prepared: '{"digest":"d"}' }))
      test('fenced by the epoch', () => fenced('pulling', ({ epoch }) => writes.prepared({ epoch, prepared: '' })))
    })

    describe('commit', () => {
      onlyIn(HELD, ({ epoch }) => writes.commit({ epoch, ref: 'ref-9' }), () => ({ state: 'submitted', ref: 'ref-9', attempt: 1 }))
      test('fenced by the epoch', () => fenced('submitting', ({ epoch }) => writes.commit({ epoch, ref: 'ref-9' })))
      test('waits for every committed entry of previous; one that has ended and is kept does not hold it up', async () => {
        const before = await inState('queued')
        const { epoch, previous } = before
        const engineName = previous[0]?.engineName ?? ''
        expect((await write(before, writes.commit({ epoch, ref: 'r' }))).applied).toBe(false)
        await must(before, writes.removed({ engineName, kept: true, tombstone: timing.tombstone }))
        await must(before, writes.ready({ epoch }))
        expect(await must(before, writes.commit({ epoch, ref: 'r' }))).toMatchObject({ previous: [{ engineName, ended: true }] })
      })
    })

    const outOfReach = async (state: State): Promise<JobRecord> => {
      const before = await inState(state)
      const seen = { absent: { since: 1, looks: 2 }, unreachable: { since: 3, error: 'x' } }
      return must(before, writes.look({ epoch: before.epoch, state, seen, running: false }))
    }

    describe('release again', () => {
      onlyIn(['submitted'], ({ epoch, attempt }) => writes.releaseAgain({ epoch, attempt }), () => ({ attempt: 2 }))
      test('fenced by the epoch', () => fenced('submitted', ({ epoch, attempt }) => writes.releaseAgain({ epoch, attempt })))
      test('each attempt is handed out once', async () => {
        const before = await inState('submitted')
        const row = writes.releaseAgain({ epoch: before.epoch, attempt: 1 })
        const results = await Promise.all(Array.from({ length: 10 }, () => write(before, row)))
        expect(results.filter(({ applied }) => applied)).toHaveLength(1)
      })
      test('the engine has answered: it is neither out of reach nor without the job any more', async () => {
        const before = await outOfReach('submitted')
        const after = await must(before, writes.releaseAgain({ epoch: before.epoch, attempt: 1 }))
        expect([after.unreachable, after.absent]).toEqual([undefined, undefined])
      })
    })

    describe('refused', () => {
      const row = ({ epoch }: JobRecord): writes.Row => writes.refused({ epoch, reason: 'EngineRejected', message: 'no' })
      onlyIn(['submitted'], row, () => ({ state: 'failed', neverRan: true, reason: 'EngineRejected', message: 'no' }))
      test('fenced by the epoch', () => fenced('submitted', row))
      test('a later attempt’s refusal ends nothing', async () => {
        const before = await inState('submitted')
        await must(before, writes.releaseAgain({ epoch: before.epoch, attempt: 1 }))
        expect((await write(before, row(before))).applied).toBe(false)
      })
    })

    describe('exhausted', () => {
      const row = ({ epoch }: JobRecord): writes.Row => writes.exhausted({ epoch, reason: 'DispatchExhausted', message: 'late' })
      onlyIn(WAITING, row, () => ({ state: 'failed', neverRan: true, reason: 'DispatchExhausted' }))
      test('fenced by the epoch', () => fenced('submitting', row))
    })

    describe('elect', () => {
      const row = ({ epoch }: JobRecord): writes.Row => writes.elect({ epoch, interval: 1000 })
      onlyIn(['submitted', 'running', 'cancelling', ...FINAL_STATES], row, () => ({ observedAt: START }))
      test('fenced by the epoch', () => fenced('running', row))
      test('of 20 at once one is elected, and the next after the interval', async () => {
        const before = await inState('running')
        const results = await Promise.all(Array.from({ length: 20 }, () => write(before, row(before))))
        expect(results.filter(({ applied }) => applied)).toHaveLength(1)
        now += 999
        expect((await write(before, row(before))).applied).toBe(false)
        now += 1
        expect((await write(before, row(before))).applied).toBe(true)
        expect((await store.read(before))?.history).toEqual(before.history)
      })
    })

    describe('look', () => {
      const row = ({ epoch, state }: JobRecord): writes.Row => writes.look({ epoch, state, seen: { message: 'm', startedAt: 5 }, running: true })
      onlyIn(['submitted', 'running', 'cancelling'], row, () => ({ state: 'running', message: 'm', startedAt: 5 }))
      test('fenced by the epoch', () => fenced('submitted', row))
      test('a look at a state that has changed since changes nothing', async () => {
        const before = await inState('running')
        expect((await write(before, writes.look({ epoch: before.epoch, state: 'submitted', seen: {}, running: true }))).applied).toBe(false)
      })
      test('absence and unreachability are written down and taken away again', async () => {
        const before = await inState('running')
        const note = (seen: Parameters<typeof writes.look>[0]['seen']): writes.Row =>
          writes.look({ epoch: before.epoch, state: 'running', seen, running: false })
        expect(await must(before, note({ absent: { since: 1, looks: 2 }, unreachable: { since: 3, error: 'x' } }))).toMatchObject({
          absent: { since: 1, looks: 2 },
          unreachable: { since: 3, error: 'x' },
        })
        const after = await must(before, note({}))
        expect(after).not.toHaveProperty('absent')
        expect(after).not.toHaveProperty('unreachable')
      })
    })

    describe('capture and end', () => {
      const row = ({ epoch, state }: JobRecord): writes.Row =>
        writes.end({ epoch, state, end: { state: 'failed', reason: 'NonZeroExit', exitCode: 3, finishedAt: 7 }, capture: 'c', logTruncated: true })
      const active = STATES.filter((state) => !(FINAL_STATES as readonly State[]).includes(state) && state !== 'deleted')
      onlyIn(active, row, () => ({ state: 'failed', reason: 'NonZeroExit', exitCode: 3, finishedAt: 7, capture: 'c', logTruncated: true }))
      test('fenced by the epoch', () => fenced('running', row))
      test('an end that was given up on stays in previous', async () => {
        const before = await inState('running')
        const lost = writes.end({ epoch: before.epoch, state: 'running', end: { state: 'lost', reason: 'EngineUnreachable' } })
        expect((await must(before, lost)).previous).toMatchObject([{ engineName: before.engineName, ref: 'ref-1' }])
      })
    })

    describe('cancel', () => {
      const row = ({ engineName }: JobRecord): writes.Row => writes.cancel({ engineName, epoch: 'epoch-x', reason: 'TimeLimit' })
      const active: State[] = ['queued', 'submitting', 'pulling', 'submitted', 'running']
      onlyIn(active, row, () => ({ state: 'cancelling', epoch: 'epoch-x', reason: 'TimeLimit' }))
      test('a holder that wakes up cannot commit', async () => {
        const before = await inState('submitting')
        await must(before, row(before))
        expect((await write(before, writes.commit({ epoch: before.epoch, ref: 'r' }))).applied).toBe(false)
      })
      test('another generation is not cancelled', async () => {
        const before = await inState('running')
        expect((await write(before, writes.cancel({ engineName: 'other', epoch: 'x', reason: 'TimeLimit' }))).applied).toBe(false)
      })
    })

    describe('stopping', () => {
      const row = ({ epoch }: JobRecord): writes.Row => writes.stopping({ epoch, capture: 'before-stop', logTruncated: false })
      onlyIn(['cancelling'], row, () => ({ stopSent: true, capture: 'before-stop' }))
      test('fenced by the epoch', () => fenced('cancelling', row))
      test('the engine has answered: it is neither out of reach nor without the job any more', async () => {
        const before = await outOfReach('cancelling')
        const after = await must(before, row(before))
        expect([after.unreachable, after.absent]).toEqual([undefined, undefined])
      })
      test('an end that was decided before the stop was sent is decided anew', async () => {
        const before = await inState('cancelling')
        await must(before, row(before))
        const { epoch, state } = before
        const ending = { epoch, state, end: { state: 'cancelled', reason: 'CancelRequested' } } as const
        expect((await write(before, writes.end(ending))).applied).toBe(false)
        expect(await must(before, writes.end({ ...ending, stopSent: true }))).toMatchObject({ state: 'cancelled', capture: 'before-stop' })
      })
    })

    describe('renew and hand over', () => {
      onlyIn(WAITING, ({ epoch }) => writes.renew({ epoch, leaseUntil: 5 }), () => ({ leaseUntil: 5 }))
      onlyIn(WAITING, ({ epoch }) => writes.handOver({ epoch, leaseUntil: 6, failed: true, message: 'm', reason: 'ImageRefused' }), () => ({ leaseUntil: 6, tries: 1, message: 'm', reason: 'ImageRefused' }))
      test('fenced by the epoch', async () => {
        await fenced('submitting', ({ epoch }) => writes.renew({ epoch, leaseUntil: 5 }))
        await fenced('submitting', ({ epoch }) => writes.handOver({ epoch, leaseUntil: 5, failed: false }))
      })
    })

    describe('adopt', () => {
      const adoption = (key: JobKey): writes.Row =>
        writes.adopt({ key, generation: 7, specHash: 'h', engineName: 'n', ref: 'r', epoch: 'e' })
      test('where there is no record, or an expired one', async () => {
        const key = newKey()
        expect(await must(key, adoption(key))).toMatchObject({ state: 'running', generation: 7, ref: 'r', attempt: 1 })
        const other = await inState('failed')
        await must(other, writes.expire({ engineName: other.engineName }))
        now += 1000
        expect(await must(other, adoption(other))).toMatchObject({ state: 'running' })
      })
      test.each(STATES)('never over a record: %s', async (state) => {
        const before = await inState(state)
        expect((await write(before, adoption(before))).applied).toBe(false)
        expect(await store.read(before)).toEqual(before)
      })
    })

    describe('delete', () => {
      const row = ({ engineName }: JobRecord): writes.Row => writes.remove({ engineName, epoch: 'epoch-x' })
      onlyIn(
        STATES.filter((state) => state !== 'deleted'),
        row,
        ({ engineName, previous }) => ({
          state: 'deleted',
          epoch: 'epoch-x',
          previous: expect.arrayContaining([...previous, expect.objectContaining({ engineName })]) as JobRecord['previous'],
        }),
      )
      test('another generation is not deleted', async () => {
        const before = await inState('running')
        expect((await write(before, writes.remove({ engineName: 'other', epoch: 'x' }))).applied).toBe(false)
      })
    })

    describe('removed', () => {
      test('the last one gone: the tombstone gets its end', async () => {
        const before = await inState('deleted')
        const after = await must(before, writes.removed({ engineName: before.engineName, kept: false, tombstone: timing.tombstone }))
        expect(after).toMatchObject({ previous: [], ttl: Math.floor((now + timing.tombstone) / 1000) })
      })
      test('kept: marked as ended, no end of the tombstone', async () => {
        const before = await inState('deleted')
        const after = await must(before, writes.removed({ engineName: before.engineName, kept: true, tombstone: timing.tombstone }))
        expect(after.previous).toMatchObject([{ ended: true }])
        expect(after.ttl).toBeUndefined()
      })
      test('of a live record: no end', async () => {
        const before = await inState('queued')
        const after = await must(before, writes.removed({ engineName: before.previous[0]?.engineName ?? '', kept: false, tombstone: 1 }))
        expect(after.ttl).toBeUndefined()
      })
      test('one that is not in previous', async () => {
        const before = await inState('deleted')
        expect((await write(before, writes.removed({ engineName: 'other', kept: false, tombstone: 1 }))).applied).toBe(false)
      })
    })

    describe('expire', () => {
      const row = ({ engineName }: JobRecord): writes.Row => writes.expire({ engineName })
      test.each(FINAL_STATES)('%s: gone, for whoever reads by key', async (state) => {
        const before = await inState(state)
        await must(before, row(before))
        expect(await store.read(before)).toBeUndefined()
      })
      test.each(STATES.filter((state) => !(FINAL_STATES as readonly State[]).includes(state)))('not in %s', async (state) => {
        const before = await inState(state)
        expect((await write(before, row(before))).applied).toBe(false)
        expect(await store.read(before)).toEqual(before)
      })
      test('another generation does not expire', async () => {
        const before = await inState('failed')
        expect((await write(before, writes.expire({ engineName: 'other' }))).applied).toBe(false)
      })
      test('not while previous holds something', async () => {
        const before = await inState('running')
        const lost = writes.end({ epoch: before.epoch, state: 'running', end: { state: 'lost', reason: 'EngineUnreachable' } })
        await must(before, lost)
        expect((await write(before, writes.expire({ engineName: before.engineName }))).applied).toBe(false)
      })
    })

    describe('requests and logs', () => {
      test('a request of the greatest size comes back byte for byte', async () => {
        const key = newKey()
        const noise = randomBytes(64 * 1024).toString('latin1')
        const big = spec({ args: [noise, '', "it's\n$(…)", '😀'], env: ['A=='] })
        await store.putRequest(key, { generation: 1, requestId: 'a' }, big)
        expect(await store.getRequest(key, { generation: 1, requestId: 'a' })).toEqual(big)
        expect(await store.getRequest(key, { generation: 1, requestId: 'b' })).toBeUndefined()
        expect(await store.read(key)).toBeUndefined()
      })

      test('a log of the greatest size comes back byte for byte, and its end for a smaller bound', async () => {
        const before = await inState('running')
        const bytes = randomBytes(4 * 1024 * 1024)
        await store.putLog(before, 1, 'c', { bytes, truncated: false })
        await must(before, writes.end({ epoch: before.epoch, state: 'running', end: { state: 'succeeded', reason: 'Completed' }, capture: 'c' }))
        const digest = (data: Uint8Array | undefined) => createHash('sha256').update(data ?? '').digest('hex')
        const whole = await store.readWithLog(before, bytes.length)
        expect(digest(whole?.log.bytes)).toBe(digest(bytes))
        expect(whole?.log.truncated).toBe(false)
        const end = await store.readWithLog(before, 1000)
        expect(digest(end?.log.bytes)).toBe(digest(bytes.subarray(-1000)))
        expect(end?.log.truncated).toBe(true)
      })

      test('only the log that the record names is shown: the live one while it runs, then the captured one', async () => {
        const before = await inState('running')
        const text = async () => Buffer.from((await store.readWithLog(before, 1000))?.log.bytes ?? []).toString()
        await store.putLog(before, 1, 'other', { bytes: Buffer.from('of a capture that lost'), truncated: false })
        expect(await text()).toBe('')
        await store.putLog(before, 1, 'live', { bytes: Buffer.from('so far'), truncated: false })
        expect(await text()).toBe('so far')
        await store.putLog(before, 1, 'mine', { bytes: Buffer.from('all'), truncated: false })
        await must(before, writes.end({ epoch: before.epoch, state: 'running', end: { state: 'succeeded', reason: 'Completed' }, capture: 'mine' }))
        expect(await text()).toBe('all')
      })

      test('a sweep leaves the logs of an active job: an end that is on its way refers to one of them', async () => {
        const before = await inState('cancelling')
        await store.putLog(before, 1, 'soon', { bytes: Buffer.from('its log'), truncated: false })
        await store.sweepItems(before, 'referred')
        const { epoch, state } = before
        await must(before, writes.end({ epoch, state, end: { state: 'cancelled', reason: 'CancelRequested' }, capture: 'soon' }))
        await store.sweepItems(before, 'referred')
        expect(Buffer.from((await store.readWithLog(before, 10))?.log.bytes ?? []).toString()).toBe('its log')
      })

      test('a sweep deletes what nothing refers to, and nothing else', async () => {
        const key = newKey()
        const first = await begun(key)
        const { epoch } = first
        const ids = { own: first, loser: { generation: 1, requestId: 'loser' }, next: { generation: 2, requestId: 'coming' } }
        for (const id of Object.values(ids)) await store.putRequest(key, id, spec())
        await store.putLog(key, 1, 'lost', { bytes: Buffer.from('x'), truncated: false })
        await store.putLog(key, 1, 'kept', { bytes: Buffer.from('y'), truncated: false })
        await must(key, writes.commit({ epoch, ref: 'r' }))
        await must(key, writes.end({ epoch, state: 'submitted', end: { state: 'failed', reason: 'NonZeroExit' }, capture: 'kept' }))
        await store.sweepItems(key, 'referred')
        expect(await store.getRequest(key, ids.own)).toBeDefined()
        expect(await store.getRequest(key, ids.loser)).toBeUndefined()
        expect(await store.getRequest(key, ids.next)).toBeDefined()
        expect(Buffer.from((await store.readWithLog(key, 10))?.log.bytes ?? []).toString()).toBe('y')
        await store.sweepItems(key, 'none')
        expect(await store.getRequest(key, ids.own)).toBeUndefined()
        expect(await store.getRequest(key, ids.next)).toBeDefined()
        expect((await store.readWithLog(key, 10))?.log.bytes).toHaveLength(0)
      })
    })

    describe('indexes', () => {
      async function allDue(of: string, at: number, limit = 3): Promise<string[]> {
        const jids: string[] = []
        let cursor: string | undefined
        do {
          const page = await store.due(of, at, limit, cursor)
          expect(page.items.length).toBeLessThanOrEqual(limit)
          jids.push(...page.items.map((key) => key.jid))
          cursor = page.next
        } while (cursor !== undefined)
        return jids.sort()
      }

      test('due: every record with work left, once its time has come, in bounded pages', async () => {
        const of = `${compute}-due`
        const keys = Array.from({ length: 20 }, (_, n) => ({ compute: of, jid: `due-${n}` }))
        for (const key of keys) await begun(key)
        const ended = keys[0] ?? newKey()
        const { epoch, engineName } = (await store.read(ended)) ?? { epoch: '', engineName: '' }
        await must(ended, writes.exhausted({ epoch, reason: 'DispatchExhausted', message: 'x' }))
        expect(await allDue(of, now)).toEqual([])
        const waiting = keys.slice(1).map((key) => key.jid)
        expect(await allDue(of, now + timing.lease)).toEqual(waiting.sort())
        expect(await allDue(of, now + timing.retention)).toEqual(keys.map((key) => key.jid).sort())
        await must(ended, writes.expire({ engineName }))
        expect(await allDue(of, now + timing.retention)).toEqual(waiting.sort())
        expect(await allDue(`${of}-other`, now + timing.retention)).toEqual([])
      })

      test('list: newest first, over pages, without tombstones', async () => {
        const of = `${compute}-list`
        for (let n = 0; n < 25; n++) {
          now += 10
          await begun({ compute: of, jid: `list-${n}` })
        }
        const gone = { compute: of, jid: 'list-7' }
        await must(gone, writes.remove({ engineName: (await store.read(gone))?.engineName ?? '', epoch: 'x' }))
        const jids: string[] = []
        let cursor: string | undefined
        let pages = 0
        do {
          const page = await store.list(of, 4, cursor)
          expect(page.items.length).toBeLessThanOrEqual(4)
          expect(page.items[0]).toMatchObject({ compute: of, state: 'submitting', image: 'local/plugin:1', auid: 'cube', generation: 1 })
          jids.push(...page.items.map((item) => item.jid))
          cursor = page.next
          pages++
        } while (cursor !== undefined)
        expect(pages).toBe(6)
        expect(jids).toEqual(
          Array.from({ length: 25 }, (_, n) => `list-${24 - n}`).filter((jid) => jid !== 'list-7'),
        )
      })
    })

    test('jids that differ only a little are different jobs', async () => {
      const jids = ['a', 'A', 'a ', 'ａ', 'á', 'a\u0301', '😀', '😁', '😀'.repeat(255)]
      for (const jid of jids) await begun({ compute: `${compute}-jid`, jid })
      for (const jid of jids) expect(await store.read({ compute: `${compute}-jid`, jid })).toMatchObject({ jid, generation: 1 })
    })

    test('one of those that want to look at many is elected, once in an interval', async () => {
      const of = `${compute}-elect`
      const elect = () => Promise.all(Array.from({ length: 10 }, () => store.elect(of, 1000)))
      expect((await elect()).filter(Boolean)).toHaveLength(1)
      now += 999
      expect((await elect()).filter(Boolean)).toHaveLength(0)
      now += 1
      expect((await elect()).filter(Boolean)).toHaveLength(1)
      expect(await store.elect(`${of}-other`, 1000)).toBe(true)
    })

    test('what a cleanup has left for the next one', async () => {
      expect(await store.cursor(compute)).toBeUndefined()
      await store.setCursor(compute, 'here')
      expect(await store.cursor(compute)).toBe('here')
      await store.setCursor(compute, undefined)
      expect(await store.cursor(compute)).toBeUndefined()
    })

    test('the deployment’s id is made once', async () => {
      const ids = await Promise.all(Array.from({ length: 10 }, () => store.deployment()))
      expect(new Set(ids).size).toBe(1)
      expect(ids[0]).toMatch(/^[a-z2-7]{16}$/)
    })
  })
}
