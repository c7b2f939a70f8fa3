/** The real code with one rule broken: each must be caught, or the simulation proves nothing about that rule. */
import type { Core } from '../../lib/jobs/core.ts'
import type { JobStore } from '../../lib/jobs/store.ts'
import type { JobRecord } from '../../lib/jobs/types.ts'
import type { Row } from '../../lib/jobs/writes.ts'
import type { Broken } from './functions.ts'
import { runWorld } from './world.ts'

/** A rule that is broken, where it shows, and how many seeds may pass before it is caught. */
export interface Variant {
  broken: Broken
  profile?: string
  within: number
}

/** Every row is made so: `change` sees the record before and after it, and which write it is. */
function rewriting(change: (before: JobRecord | undefined, after: JobRecord, write: string) => JobRecord | undefined): Broken {
  return {
    wrapStore: (store): JobStore => ({
      ...store,
      write: (key, by, row, read) => {
        const changed: Row = (current, stamp) => {
          const after = row(current, stamp)
          if (after === undefined) return undefined
          const last = after.history.at(-1)
          return change(current, after, last?.writeId === stamp.writeId ? last.write : 'amend')
        }
        return store.write(key, by, changed, read)
      },
    }),
  }
}

/** `write` keeps the epoch, so that it fences nobody. */
const keepsEpoch = (write: string): Broken =>
  rewriting((before, after, name) => (name === write && before !== undefined ? { ...after, epoch: before.epoch } : after))

/** Rows are asked with a record that satisfies a condition which is not asked for any more. */
function relaxing(
  relax: (current: JobRecord | undefined) => JobRecord | undefined,
  restore: (after: JobRecord, current: JobRecord | undefined) => JobRecord,
  only: string,
): Broken {
  return {
    wrapStore: (store): JobStore => ({
      ...store,
      write: (key, by, row, read) => {
        const relaxed: Row = (current, stamp) => {
          const strict = row(current, stamp)
          if (strict !== undefined) return strict
          const after = row(relax(current), stamp)
          const last = after?.history.at(-1)
          return after === undefined || last?.writeId !== stamp.writeId || last.write !== only ? undefined : restore(after, current)
        }
        return store.write(key, by, relaxed, read)
      },
    }),
  }
}

/** Two rules at once, where each alone is covered by the other. */
function both(first: Broken, second: Broken): Broken {
  return {
    wrapStore: (store, core) => {
      const inner = first.wrapStore?.(store, core) ?? store
      return second.wrapStore?.(inner, core) ?? inner
    },
  }
}

/** Neither the wait of a queued job nor its commit heeds what of earlier generations has not ended. */
const commitsEarly = both(heedless('ready'), heedless('commit'))
function heedless(write: string): Broken {
  return relaxing(
    (current) => (current === undefined ? undefined : { ...current, previous: [] }),
    (after, current) => ({ ...after, previous: current?.previous ?? [] }),
    write,
  )
}

/** The holder releases what it has just made, and commits then. */
const releasesFirst: Broken = {
  wrapStore: (store, core): JobStore => ({
    ...store,
    write: async (key, by, row, read) => {
      const probe = read === undefined ? undefined : row(read, { now: core().clock(), writeId: 'probe', by })
      if (probe?.history.at(-1)?.write === 'commit' && probe.ref !== undefined) {
        const backend = await core().backend(key.compute)
        const call = { signal: new AbortController().signal, deadline: core().clock() + 5000, log: () => undefined }
        await backend.release(probe.ref, 1, call).catch(() => undefined)
      }
      return store.write(key, by, row, read)
    },
  }),
}

/** A commit that seems to have failed is tidied up after: its object is removed. */
const tidiesAfterLostCommit: Broken = {
  store: { ignoresWriteId: true },
  wrapStore: (store, core): JobStore => ({
    ...store,
    write: async (key, by, row, read) => {
      const probe = read === undefined ? undefined : row(read, { now: core().clock(), writeId: 'probe', by })
      const result = await store.write(key, by, row, read)
      if (probe?.history.at(-1)?.write === 'commit' && probe.ref !== undefined && !result.applied) {
        const backend = await core().backend(key.compute)
        const call = { signal: new AbortController().signal, deadline: core().clock() + 5000, log: () => undefined }
        await backend.remove(probe.ref, call).catch(() => undefined)
      }
      return result
    },
  }),
}

/** Reads by key answer what the index says, which lags: here, what was there before the latest write. */
const indexIsTruth: Broken = {
  wrapStore: (store, core): JobStore => lagging(store, core),
}

function lagging(store: JobStore, core: () => Core): JobStore {
  const seen = new Map<string, JobRecord>()
  return {
    ...store,
    async due(compute, now, limit, cursor) {
      const page = await store.due(compute, now, limit, cursor)
      for (const key of page.items) {
        const record = await store.read(key)
        if (record !== undefined) seen.set(key.jid, record)
      }
      return page
    },
    async read(key) {
      const hint = seen.get(key.jid)
      if (hint !== undefined) await new Promise<void>((resolve) => void core().timers.after(5000, resolve))
      return hint ?? store.read(key)
    },
    write: (key, by, row, read) =>
      store.write(key, by, (current, stamp) => row(seen.has(key.jid) && current !== undefined ? { ...current, epoch: read?.epoch ?? current.epoch, state: read?.state ?? current.state } : current, stamp), read),
  }
}

/** Rows of this name ask for the epoch alone, whatever the state has become. */
function inAnyState(write: string, state: JobRecord['state']): Broken {
  return relaxing(
    (current) => (current === undefined ? undefined : { ...current, state }),
    (after) => after,
    write,
  )
}

/** What the sweep reads after it has listed the engine's objects is another thing than the record. */
function sweepReads(read: (record: JobRecord | undefined) => JobRecord | undefined): Broken {
  return {
    change(core) {
      const { store } = core
      const backend = core.backend.bind(core)
      let listed = false
      core.backend = async (compute) => {
        const real = await backend(compute)
        return {
          ...real,
          list: (call) => {
            listed = true
            return real.list(call)
          },
        }
      }
      core.store = { ...store, read: async (key) => (listed ? read(await store.read(key)) : store.read(key)) }
    },
  }
}

const sweepsUncommitted = sweepReads((record) => (record?.ref === undefined && record !== undefined ? { ...record, engineName: 'another' } : record))

/** A tombstone counts as no record, and an adoption is written over whatever is there. */
const adoptsOver: Broken = {
  ...sweepReads((record) => (record?.state === 'deleted' ? undefined : record)),
  wrapStore: (store): JobStore => ({
    ...store,
    write: (key, by, row, read) =>
      store.write(
        key,
        by,
        (current, stamp) => {
          const strict = row(current, stamp)
          if (strict !== undefined || current === undefined) return strict
          const blank = row(undefined, stamp)
          return blank?.history.at(-1)?.write === 'adopt' ? blank : undefined
        },
        read,
      ),
  }),
}

/** The sweep reads the records before it lists the engine's objects. */
const readsThenLists: Broken = {
  change(core) {
    const { store } = core
    const backend = core.backend.bind(core)
    const known = new Map<string, JobRecord | undefined>()
    core.backend = async (compute) => {
      const real = await backend(compute)
      return {
        ...real,
        async *list(call) {
          for (const jid of ['a', 'b', 'c']) known.set(jid, await store.read({ compute, jid }))
          yield* real.list(call)
        },
      }
    }
    core.store = { ...store, read: async (key) => (known.has(key.jid) ? known.get(key.jid) : store.read(key)) }
  },
}

export const VARIANTS: Readonly<Record<string, Variant>> = {
  'the holder releases before it commits': { broken: releasesFirst, within: 3000 },
  'docker: started by the created name': { broken: { driver: { startsByCreatedName: true } }, profile: 'docker', within: 3000 },
  'docker: started without a look': { broken: { driver: { startsBlindly: true } }, profile: 'docker', within: 3000 },
  'docker: a stop spares what has not run': { broken: { driver: { stopSparesInert: true } }, profile: 'docker', within: 3000 },
  'a look that was not answered counts as absence': { broken: { driver: { timeoutIsAbsent: true } }, within: 3000 },
  'slurm: ids are trusted': { broken: { driver: { trustsIds: true } }, profile: 'slurm', within: 3000 },
  'swarm: a removed service counts as gone': { broken: { driver: { ignoresTasks: true } }, profile: 'swarm', within: 3000 },
  'a resent write that is refused counts as made': { broken: { store: { trustsResends: true } }, within: 3000 },
  'writeIds are ignored and the holder tidies up': { broken: tidiesAfterLostCommit, within: 3000 },
  'records are read as they once were': { broken: { store: { staleReads: true } }, within: 3000 },
  'the index counts as the record': { broken: indexIsTruth, within: 3000 },
  'a cancel keeps the epoch, and ends ask for it alone': { broken: both(inAnyState('end', 'running'), keepsEpoch('cancel')), within: 3000 },
  'a cancel keeps the epoch, and commits ask for it alone': { broken: both(inAnyState('commit', 'submitting'), keepsEpoch('cancel')), within: 3000 },
  'a delete keeps the epoch, and commits ask for it alone': { broken: both(inAnyState('commit', 'submitting'), keepsEpoch('delete')), within: 3000 },
  'each try of a write has the same writeId': { broken: { store: { reusesWriteId: true } }, within: 3000 },
  'the sweep removes what is not yet committed': { broken: sweepsUncommitted, within: 3000 },
  'the sweep reads before it lists': { broken: readsThenLists, within: 3000 },
  'an adoption is written over a record': { broken: adoptsOver, within: 3000 },
  'the commit does not wait for previous': { broken: commitsEarly, within: 3000 },
}

/** The first seed that catches the variant; undefined if none does in time. */
export async function tryVariant({ broken, profile, within }: Variant): Promise<{ seed: number; told: string } | undefined> {
  for (let seed = 1; seed <= within; seed++) {
    const { violation } = await runWorld({ seed, profile, broken })
    if (violation !== undefined) return { seed, told: violation.message }
  }
  return undefined
}
