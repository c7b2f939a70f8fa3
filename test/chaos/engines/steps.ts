import { EngineRejected, NeedsPreparation } from '../../../lib/backends/contract.ts'
import type { Backend, EngineRef, Found, Observation } from '../../../lib/backends/contract.ts'
import { call, type Bench, type Trial } from '../../contract/backend/bench.ts'

/** What a step is taken on. */
export interface Subject {
  trial: Trial
  /** Empty before a create. */
  ref: EngineRef
  prepared?: string | undefined
}

export interface Step {
  /** Without faults. */
  arrange(bench: Bench): Promise<Subject>
  take(driver: Backend, subject: Subject): Promise<unknown>
  /** Throws if the driver has said what is not so; `bench.backend` asks the engine without a proxy. */
  judge(answer: unknown, subject: Subject, bench: Bench): Promise<void> | void
  /** The step changes the engine: its last call that changes something having been heard, this holds. */
  heard?(subject: Subject, bench: Bench): Promise<void>
  /** Without faults: goes on to the end, where the job has run so often. */
  settle(subject: Subject, bench: Bench): Promise<0 | 1>
}

export const LOG = 'one\ntwo\nthree\n'
const BOUNDS = { tailLines: 1000, maxBytes: 100_000 }
const LASTING = 'trap "exit 143" TERM; echo begun >/share/outgoing/begun; while [ ! -e /share/outgoing/end ]; do sleep 0.1; done'

async function created(bench: Bench, script: string): Promise<Subject> {
  const trial = await bench.trial(script)
  const ref = await bench.create(trial)
  await shown(ref, bench)
  return { trial, ref }
}

async function running(bench: Bench): Promise<Subject> {
  const subject = await created(bench, LASTING)
  await bench.backend.release(subject.ref, 1, call())
  await bench.written(subject.trial, 'begun')
  // some engines show a start later than the job itself does
  await bench.until(() => bench.look(subject.ref), isRunning)
  return subject
}

/** To its end: released again as long as the engine says that it cannot run yet. */
async function ran({ ref }: Subject, bench: Bench): Promise<1> {
  if ((await bench.look(ref)).kind === 'inert') await bench.backend.release(ref, 2, call())
  expect(await bench.end(ref)).toMatchObject({ reason: 'Completed', exitCode: 0 })
  return 1
}

/** Without faults nothing is unknown, but where an engine does not show at once what it has taken. */
const shown = (ref: EngineRef, bench: Bench): Promise<Observation> =>
  bench.until(() => bench.look(ref), ({ kind }) => kind !== 'unknown')

/** At once, or soon, where what an engine shows is behind what it does. */
async function isReleased(ref: EngineRef, bench: Bench): Promise<void> {
  await bench.until(() => bench.look(ref), ({ kind }) => kind === 'state')
}

const isRunning = (seen: Observation | undefined): boolean => seen?.kind === 'state' && seen.phase === 'running'
const isThere = (found: readonly Found[], { ref, trial }: Subject): boolean =>
  found.some((one) => one.ref === ref && one.engineName === trial.job.engineName)

/** Reads are taken on one job that lasts. */
export const READS: Readonly<Record<string, Pick<Step, 'take' | 'judge'>>> = {
  observe: {
    take: (driver, { ref }) => driver.observe([ref], call()),
    judge(answer) {
      const [seen, ...more] = answer as Observation[]
      expect(more).toEqual([])
      expect(seen?.kind === 'unknown' || isRunning(seen) ? 'right' : seen).toBe('right')
    },
  },
  find: {
    take: (driver, { trial }) => driver.find(trial.job.engineName, call()),
    judge: (answer, subject) => expect(isThere(answer as Found[], subject)).toBe(true),
  },
  list: {
    async take(driver) {
      const all: Found[] = []
      for await (const one of driver.list(call())) all.push(one)
      return all
    },
    judge: (answer, subject) => expect(isThere(answer as Found[], subject)).toBe(true),
  },
  logs: {
    take: (driver, { ref }) => driver.logs(ref, BOUNDS, call()),
    judge: (answer) => expect(Buffer.from((answer as { bytes: Uint8Array }).bytes).toString()).toBe(LOG),
  },
  health: {
    take: (driver) => driver.health(call()),
    judge: (answer) => expect((answer as { version: string }).version).toMatch(/\d/),
  },
}

/** A job that has written the log and lasts until `clear`. */
export async function lasting(bench: Bench): Promise<Subject> {
  const subject = await created(bench, `printf '${LOG.replaceAll('\n', '\\n')}'; ${LASTING}`)
  await bench.backend.release(subject.ref, 1, call())
  await bench.written(subject.trial, 'begun')
  await bench.until(() => bench.look(subject.ref), isRunning)
  return subject
}

/** Each changes something at the engine, and is taken on a job of its own. */
export const CHANGES: Readonly<Record<string, Step>> = {
  prepare: {
    arrange: async (bench) => ({ trial: await bench.trial('true'), ref: '' }),
    take: async (driver, { trial }) => driver.prepare?.(trial.job, call()),
    judge: () => undefined,
    async settle(subject, bench) {
      subject.ref = await bench.create(subject.trial)
      await shown(subject.ref, bench)
      return ran(subject, bench)
    },
  },
  create: {
    async arrange(bench) {
      const trial = await bench.trial('true')
      return { trial, ref: '', prepared: await bench.backend.prepare?.(trial.job, call()) }
    },
    take: (driver, { trial, prepared }) => driver.create(trial.job, prepared, call()),
    judge: async (answer, _subject, bench) => expect(await shown(answer as EngineRef, bench)).toEqual({ kind: 'inert' }),
    async heard({ trial }, bench) {
      const found = await bench.until(() => bench.backend.find(trial.job.engineName, call()), ({ length }) => length > 0)
      expect(found.map(({ observation }) => observation)).toEqual([{ kind: 'inert' }])
    },
    async settle(subject, bench) {
      subject.ref = await bench.create(subject.trial)
      await shown(subject.ref, bench)
      return ran(subject, bench)
    },
  },
  release: {
    arrange: (bench) => created(bench, 'true'),
    take: (driver, { ref }) => driver.release(ref, 1, call()),
    judge: (_answer, { ref }, bench) => isReleased(ref, bench),
    heard: ({ ref }, bench) => isReleased(ref, bench),
    settle: ran,
  },
  stop: {
    arrange: running,
    take: (driver, { ref }) => driver.stop(ref, call()),
    async judge(answer, { ref }, bench) {
      if (answer === 'gone') expect(isRunning(await bench.look(ref))).toBe(false)
    },
    async settle({ ref }, bench) {
      await bench.gone('stop', ref)
      return 1
    },
  },
  'stop before its start': {
    arrange: (bench) => created(bench, 'true'),
    take: (driver, { ref }) => driver.stop(ref, call()),
    async judge(answer, { ref }, bench) {
      if (answer === 'gone') expect((await bench.look(ref)).kind).not.toBe('inert')
    },
    async settle({ ref }, bench) {
      await bench.gone('stop', ref)
      await bench.backend.release(ref, 2, call())
      return 0
    },
  },
  remove: {
    arrange: running,
    take: (driver, { ref }) => driver.remove(ref, call()),
    async judge(answer, { ref }, bench) {
      if (answer === 'gone') expect(await bench.look(ref)).toEqual({ kind: 'absent' })
    },
    settle: () => Promise.resolve(1),
  },
}

/** What the driver came to: an answer, or an error that claims nothing. Throws for an error that says more than is known. */
export async function said(asked: Promise<unknown>): Promise<{ answer: unknown } | { error: unknown }> {
  try {
    return { answer: await asked }
  } catch (error) {
    const claims = error instanceof EngineRejected || error instanceof NeedsPreparation
    if (claims) throw new Error(`a lost answer was taken for a refusal: ${error.message}`)
    return { error }
  }
}
