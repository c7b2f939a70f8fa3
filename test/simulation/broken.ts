/** The real code with one rule broken, each rule for itself. */
import type { Core } from '../../lib/jobs/core.ts'
import type { JobStore } from '../../lib/jobs/store.ts'
import { isActive } from '../../lib/jobs/lifecycle.ts'
import { COMMITTED_STATES, type JobRecord } from '../../lib/jobs/types.ts'
import type { Row } from '../../lib/jobs/writes.ts'
import type { Broken } from './functions.ts'
import { SECOND } from './time.ts'

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
export const keepsEpoch = (write: string): Broken =>
  rewriting((before, after, name) => (name === write && before !== undefined ? { ...after, epoch: before.epoch } : after))

/** Rows are asked with records that satisfy a condition which is not asked for any more. */
function relaxing(
  relax: (current: JobRecord | undefined) => readonly (JobRecord | undefined)[],
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
          const all = relax(current).map((relaxed) => row(relaxed, stamp))
          const after = all.find((one) => one?.history.at(-1)?.writeId === stamp.writeId && one.history.at(-1)?.write === only)
          return after === undefined ? undefined : restore(after, current)
        }
        return store.write(key, by, relaxed, read)
      },
    }),
  }
}

/** Two rules at once, where each alone is covered by the other. */
export function both(first: Broken, second: Broken): Broken {
  return {
    wrapStore: (store, core) => {
      const inner = first.wrapStore?.(store, core) ?? store
      return second.wrapStore?.(inner, core) ?? inner
    },
  }
}

/** Neither the wait of a queued job nor its commit heeds what of earlier generations has not ended. */
export const commitsEarly = both(heedless('ready'), heedless('commit'))
function heedless(write: string): Broken {
  return relaxing(
    (current) => [current === undefined ? undefined : { ...current, previous: [] }],
    (after, current) => ({ ...after, previous: current?.previous ?? [] }),
    write,
  )
}

/** The holder releases what it has just made, and commits then. */
export const releasesFirst: Broken = {
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
export const tidiesAfterLostCommit: Broken = {
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
export const indexIsTruth: Broken = {
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

/** A commit asks for the epoch alone, whatever the state has become. */
export const commitsInAnyState = relaxing(
  (current) => [current === undefined ? undefined : { ...current, state: 'submitting' }],
  (after) => after,
  'commit',
)

/** An end asks for the epoch alone, as long as there is none yet. */
export const endsInAnyState = relaxing(
  (current) =>
    current === undefined || !isActive(current.state)
      ? []
      : COMMITTED_STATES.flatMap((state) => [undefined, true].map((stopSent) => ({ ...current, state, stopSent }))),
  (after) => after,
  'end',
)

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

export const sweepsUncommitted = sweepReads((record) => (record?.ref === undefined && record !== undefined ? { ...record, engineName: 'another' } : record))

/** A tombstone counts as no record, and an adoption is written over whatever is there. */
export const adoptsOver: Broken = {
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
export const readsThenLists: Broken = {
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

/** An engine is given up after a second of silence. */
export const givesUpEarly: Broken = {
  change(core) {
    core.timing = { ...core.timing, unreachableAfter: SECOND }
  },
}

/** What the engine answers does not end the time since when it is out of reach. */
export const staysUnreachable = rewriting((before, after, write) =>
  before?.unreachable !== undefined && after.unreachable === undefined && ['amend', 'look'].includes(write) ? { ...after, unreachable: before.unreachable } : after,
)

/** An adoption is put whatever is there: not even a record that came after the read stops it. */
export const adoptsBlindly: Broken = {
  wrapStore: (store): JobStore => ({
    ...store,
    write: (key, by, row, read) =>
      store.write(
        key,
        by,
        (current, stamp) => {
          const strict = row(current, stamp)
          const blank = strict === undefined ? row(undefined, stamp) : undefined
          return blank?.history.at(-1)?.write === 'adopt' ? blank : strict
        },
        read,
      ),
  }),
}
