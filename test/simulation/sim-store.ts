/** A job store on one simulated table with single-item conditional writes, as ADR 2 has it; each request to the table is a message. */
import { PmanError } from '../../lib/errors.ts'
import { isActive, workAt } from '../../lib/jobs/lifecycle.ts'
import { nonce, type RandomBytes } from '../../lib/jobs/naming.ts'
import { LIVE_CAPTURE, type JobStore, type JobSummary, type Page, type Written } from '../../lib/jobs/store.ts'
import type { Timing } from '../../lib/jobs/timing.ts'
import type { JobKey, JobRecord, JobSpec, LogTail } from '../../lib/jobs/types.ts'
import type { Row } from '../../lib/jobs/writes.ts'

interface Partition {
  job?: JobRecord | undefined
  /** Earlier forms of the job item, for a broken store that reads them. */
  older: JobRecord[]
  /** Engine names of job items that the table has lost. */
  lost: Set<string>
  requests: Map<string, JobSpec>
  logs: Map<string, LogTail>
}

/** What the table holds, and what its indexes say, which may be behind. */
export class Table {
  readonly partitions = new Map<string, Partition>()
  readonly work = new Map<string, number>()
  readonly listed = new Map<string, JobSummary>()
  readonly elections = new Map<string, number>()
  readonly cursors = new Map<string, string | undefined>()
  deploymentId: string | undefined

  partition(key: JobKey): Partition {
    const name = partitionOf(key)
    const known = this.partitions.get(name)
    if (known !== undefined) return known
    const made: Partition = { older: [], lost: new Set(), requests: new Map(), logs: new Map() }
    this.partitions.set(name, made)
    return made
  }

  /** Loses a job item for good: the put that made it does not bring it back, however late it is sent again. */
  lose(key: JobKey, index: (follow: () => void) => void): void {
    const place = this.partition(key)
    if (place.job !== undefined) place.lost.add(place.job.engineName)
    place.job = undefined
    place.older = []
    index(() => {
      this.work.delete(partitionOf(key))
      this.listed.delete(partitionOf(key))
    })
  }
}

/** A request to the table, told in words. A `put` that was not answered is sent again with the same content. */
export interface StoreRequest {
  kind: 'read' | 'put'
  words: string
  jid?: string | undefined
}

/** What a simulated store is made from. */
export interface SimStoreOptions {
  table: Table
  timing: Timing
  clock: () => number
  random: RandomBytes
  /** Sends a request; its effect may happen late, or twice. */
  request: <T>(request: StoreRequest, effect: () => T) => Promise<T>
  /** Told of each change of a job item, when it happens; throws nothing. */
  changed: (before: JobRecord | undefined, after: JobRecord) => void
  /** Has the indexes follow, now or later. */
  index: (follow: () => void) => void
  /** Does a page of an index hold less than it could? */
  shortPage?: () => boolean
  /** Rules that broken variants switch off. */
  broken?: BrokenStore | undefined
}

export interface BrokenStore {
  /** Job items are read as they once were. */
  staleRead?: ((versions: readonly JobRecord[]) => JobRecord | undefined) | undefined
  /** A condition that fails on a write that was sent twice counts as one's own success. */
  trustsResends?: boolean
  /** Each try of a write has the same writeId. */
  reusesWriteId?: boolean
  /** One's own writeId is not looked for. */
  ignoresWriteId?: boolean
}

const ATTEMPTS = 50
const SWEEP_MARGIN = 600_000
const partitionOf = ({ compute, jid }: JobKey): string => `${compute}#${jid}`
const requestKey = (generation: number, requestId: string): string => `${generation}#${requestId}`
const logKey = requestKey
const isExpired = (record: JobRecord, now: number): boolean => record.ttl !== undefined && record.ttl * 1000 <= now
const holds = (record: JobRecord | undefined, mine: readonly string[]): boolean =>
  record !== undefined && (mine.includes(record.writeId) || record.history.some((entry) => mine.includes(entry.writeId)))

export function simStore({ table, timing, clock, random, request, changed, index, shortPage = () => false, broken = {} }: SimStoreOptions): JobStore {
  const alive = (record: JobRecord | undefined): JobRecord | undefined =>
    record === undefined || isExpired(record, clock()) ? undefined : record

  const current = (key: JobKey): JobRecord | undefined => {
    const { job, older } = table.partition(key)
    if (broken.staleRead === undefined || job === undefined) return job
    return broken.staleRead([...older, job]) ?? job
  }

  const stored = (key: JobKey, words = 'reads the record'): Promise<JobRecord | undefined> =>
    request({ kind: 'read', words, jid: key.jid }, () => current(key))

  function follow(key: JobKey, record: JobRecord): void {
    const name = partitionOf(key)
    index(() => {
      const due = workAt(record, timing)
      if (due === undefined) table.work.delete(name)
      else table.work.set(name, due)
      if (record.state === 'deleted') table.listed.delete(name)
      else table.listed.set(name, summaryOf(record))
    })
  }

  /** Puts the record in place of exactly the one that was read; false if another one is there. */
  async function replace(key: JobKey, basis: JobRecord | undefined, next: JobRecord): Promise<{ done: boolean; sent: number }> {
    const expired = basis !== undefined && isExpired(basis, clock())
    let sent = 0
    const what = next.history.at(-1)
    const words = what?.writeId === next.writeId ? `writes "${what.write}"` : 'amends the record'
    const done = await request({ kind: 'put', words, jid: key.jid }, () => {
      sent++
      const place = table.partition(key)
      const there = place.job
      const fits = basis === undefined ? there === undefined : there === undefined ? expired : there.writeId === basis.writeId
      const isLost = there === undefined && what?.write !== 'adopt' && place.lost.has(next.engineName)
      if (!fits || isLost) return false
      if (there !== undefined) place.older = [...place.older.slice(-2), there]
      place.job = next
      changed(there, next)
      follow(key, next)
      return true
    })
    return { done, sent }
  }

  async function write(key: JobKey, by: string, row: Row, read?: JobRecord): Promise<Written> {
    const mine: string[] = []
    let basis = read ?? (await stored(key))
    let fresh = read === undefined
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const writeId = broken.reusesWriteId === true ? (mine[0] ?? nonce(random)) : nonce(random)
      mine.push(writeId)
      const next = row(alive(basis), { now: clock(), writeId, by })
      if (next === undefined && fresh) return { applied: false, record: alive(basis) }
      if (next !== undefined) {
        const { done, sent } = await replace(key, basis, next)
        if (done || (broken.trustsResends === true && sent > 1)) return { applied: true, record: next }
      }
      basis = await stored(key, 'reads the record again')
      fresh = true
      const found = holds(basis, mine)
      if (broken.ignoresWriteId !== true && found) return { applied: true, record: alive(basis) }
    }
    throw new PmanError('store_unavailable', `the record of job "${key.jid}" changes too fast; send the request again`)
  }

  const logOf = (key: JobKey, record: JobRecord): LogTail | undefined =>
    table.partition(key).logs.get(logKey(record.generation, record.capture ?? LIVE_CAPTURE))

  const put = <T>(words: string, jid: string | undefined, effect: () => T): Promise<T> => request({ kind: 'put', words, jid }, effect)
  const get = <T>(words: string, jid: string | undefined, effect: () => T): Promise<T> => request({ kind: 'read', words, jid }, effect)

  return {
    read: async (key) => alive(await stored(key)),
    write,

    async readWithLog(key, maxBytes) {
      const found = await get('reads the record with its log', key.jid, () => {
        const record = current(key)
        return record === undefined ? undefined : { record, log: logOf(key, record) }
      })
      const record = alive(found?.record)
      if (found === undefined || record === undefined) return undefined
      const bytes = found.log?.bytes ?? new Uint8Array()
      const truncated = record.logTruncated === true || bytes.length > maxBytes
      return { record, log: { bytes: bytes.subarray(Math.max(0, bytes.length - maxBytes)), truncated } }
    },

    putRequest: (key, { generation, requestId }, spec) =>
      put('puts the request', key.jid, () => void table.partition(key).requests.set(requestKey(generation, requestId), spec)),
    getRequest: (key, { generation, requestId }) =>
      get('reads the request', key.jid, () => table.partition(key).requests.get(requestKey(generation, requestId))),
    putLog: (key, generation, capture, log) =>
      put('puts a log', key.jid, () => void table.partition(key).logs.set(logKey(generation, capture), log)),

    async sweepItems(key, keep) {
      const place = table.partition(key)
      const items = await get('lists request and log items', key.jid, () => [
        ...[...place.requests.keys()].map((name) => ({ of: place.requests, name, log: false })),
        ...[...place.logs.keys()].map((name) => ({ of: place.logs, name, log: true })),
      ])
      const record = await stored(key)
      if (record === undefined || (record.ttl !== undefined && record.ttl * 1000 < clock() + SWEEP_MARGIN)) return
      for (const { of, name, log } of items) {
        const ours = Number(name.split('#')[0]) <= record.generation
        if (!ours || (keep !== 'none' && isReferred(record, name, log))) continue
        await put('deletes an item', key.jid, () => void of.delete(name))
      }
    },

    async due(compute, now, most, cursor) {
      const limit = shortPage() ? 1 : most
      return get('asks the index for due jobs', undefined, (): Page<JobKey> => {
        const rows = [...table.work]
          .filter(([name, due]) => name.startsWith(`${compute}#`) && due <= now)
          .map(([name, due]) => ({ name, place: `${String(due).padStart(16, '0')} ${name}` }))
          .sort((a, b) => (a.place < b.place ? -1 : 1))
          .filter(({ place }) => cursor === undefined || place > cursor)
        const items = rows.slice(0, limit).map(({ name }) => ({ compute, jid: name.slice(compute.length + 1) }))
        const last = rows[limit - 1]
        return rows.length > limit && last !== undefined ? { items, next: last.place } : { items }
      })
    },

    async list(compute, limit, cursor) {
      return get('asks the index for a list', undefined, (): Page<JobSummary> => {
        const rows = [...table.listed.values()].filter((row) => row.compute === compute).sort((a, b) => b.createdAt - a.createdAt)
        const start = Number(cursor ?? 0)
        const items = rows.slice(start, start + limit)
        return start + limit < rows.length ? { items, next: String(start + limit) } : { items }
      })
    },

    async elect(compute, interval) {
      const now = clock()
      let sent = 0
      return put('stands for election', undefined, () => {
        if (sent++ > 0) return false
        if ((table.elections.get(compute) ?? -Infinity) > now - interval) return false
        table.elections.set(compute, now)
        return true
      })
    },

    cursor: (compute) => get('reads the cursor', undefined, () => table.cursors.get(compute)),
    setCursor: (compute, cursor) => put('keeps the cursor', undefined, () => void table.cursors.set(compute, cursor)),

    async deployment() {
      const made = nonce(random)
      return put('makes or reads the deployment', undefined, () => (table.deploymentId ??= made))
    },
  }
}

/** Is a request or log item one that the record, or its `previous`, may still need? */
function isReferred(record: JobRecord, name: string, isLog: boolean): boolean {
  if (isLog && isActive(record.state)) return name.startsWith(`${record.generation}#`)
  if (isLog) return record.state !== 'deleted' && name === logKey(record.generation, record.capture ?? LIVE_CAPTURE)
  const owners = record.state === 'deleted' ? record.previous : [record, ...record.previous]
  return owners.some(({ generation, requestId }) => name === requestKey(generation, requestId))
}

function summaryOf(record: JobRecord): JobSummary {
  const { jid, compute, state, reason, image, auid, generation, createdAt, startedAt, finishedAt, exitCode, message } = record
  const all = { jid, compute, state, reason, image, auid, generation, createdAt, startedAt, finishedAt, exitCode, message }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as JobSummary
}
