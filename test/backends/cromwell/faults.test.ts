import { setTimeout as delay } from 'node:timers/promises'
import { EngineRejected, NotYet, type Backend } from '../../../lib/backends/contract.ts'
import { parseRef, workflowId } from '../../../lib/backends/cromwell/ref.ts'
import { describeIf } from '../../support/skip.ts'
import { call, DEPLOYMENT, driver, job, look, seen, sight, until } from './jobs.ts'
import { StandIn, WITHOUT_STAND_IN, type Mode } from './stand-in.ts'

const SUBMIT = '^/api/workflows/v1$'
const idOf = (ref: string): string => parseRef(ref)?.id ?? ''
const failure = async (promise: Promise<unknown>): Promise<unknown> => promise.then(() => 'it did not fail', (error: unknown) => error)

describeIf(WITHOUT_STAND_IN === undefined, WITHOUT_STAND_IN ?? '', 'faults between the driver and Cromwell', () => {
  let server: StandIn
  let backend: Backend
  const start = async (mode: Mode) => {
    server = await StandIn.start(mode)
    backend = driver(server.url, { summaryGrace: 0 })
  }
  const launches = async (ref: string): Promise<number> => (await server.workflow(idOf(ref))).launchCount

  describe('with ids of our own (modern)', () => {
    beforeAll(() => start('modern'))
    afterAll(() => server.close())

    test.each(['drop', 'race', 'lose'] as const)('a create whose answer is lost (%s) has made the one workflow that the next one finds', async (action) => {
      const one = job()
      await server.fault({ path: SUBMIT, method: 'POST', action, seconds: 0.2 })
      const first = await failure(backend.create(one, undefined, call()))
      const ref = await backend.create(one, undefined, call())
      if (action === 'race') expect(first).toBe('it did not fail')
      else expect(first).not.toBeInstanceOf(EngineRejected)
      expect(idOf(ref)).toBe(workflowId(DEPLOYMENT, one.engineName))
      await seen(backend, ref, 'inert')
      expect((await backend.find(one.engineName, call())).map((found) => found.ref)).toEqual([ref])
      await backend.release(ref, 1, call())
      expect(await seen(backend, ref, 'ended')).toMatchObject({ reason: 'Completed', exitCode: 0 })
      expect(await launches(ref)).toBe(1)
    })

    test('a release whose answer is lost starts the job once, however often it is sent again', async () => {
      const ref = await backend.create(job(), undefined, call())
      await seen(backend, ref, 'inert')
      await server.fault({ path: 'releaseHold', action: 'drop' })
      expect(await failure(backend.release(ref, 1, call()))).toBeInstanceOf(Error)
      await backend.release(ref, 2, call())
      await seen(backend, ref, 'ended')
      await backend.release(ref, 3, call())
      await delay(1000)
      expect(await launches(ref)).toBe(1)
    })

    test('a 400 is the caller\'s only where Cromwell judges the submission itself', async () => {
      const trouble = ['(conn=7) Connection is not available, request timed out after 30000ms', 'Communications link failure', 'Injected fault']
      for (const message of trouble) {
        await server.fault({ path: SUBMIT, method: 'POST', action: 'status', status: 400, message })
        const told = await failure(backend.create(job(), undefined, call()))
        expect(told).not.toBeInstanceOf(EngineRejected)
        expect(String(told)).toContain(message)
      }
      await server.fault({ path: SUBMIT, method: 'POST', action: 'status', status: 400, message: 'Error(s): Invalid workflow labels JSON.' })
      expect(await failure(backend.create(job(), undefined, call()))).toBeInstanceOf(EngineRejected)
    })

    test.each([500, 503, 404, 403, 401])('status %i of somebody else says nothing of a job', async (status) => {
      const ref = await backend.create(job(), undefined, call())
      const other = await backend.create(job(), undefined, call())
      await seen(backend, ref, 'inert')
      await seen(backend, other, 'inert')
      const fault = { path: '/api/', action: 'status', status, message: 'from a proxy', count: 1 } as const
      await server.fault(fault)
      expect(await look(backend, ref)).toMatchObject({ kind: 'unknown' })
      await server.fault(fault)
      expect((await backend.observe([ref, other], call())).map(sight)).toEqual(['unknown', 'unknown'])
      for (const act of ['stop', 'remove'] as const) {
        await server.fault(fault)
        expect(await failure(backend[act](ref, call()))).toBeInstanceOf(Error)
      }
      await server.fault(fault)
      expect(await failure(backend.release(ref, 1, call()))).toBeInstanceOf(Error)
      expect(await look(backend, ref)).toEqual({ kind: 'inert' })
      for (const one of [ref, other]) await until(() => backend.remove(one, call()), (answer) => answer === 'gone')
    })

    test('before the summary a job is unknown, cannot be released, and can be stopped', async () => {
      await server.set({ summary: 3600 })
      const kept = await backend.create(job(), undefined, call())
      const stopped = await backend.create(job(), undefined, call())
      expect(await look(backend, kept)).toEqual({ kind: 'unknown', error: expect.stringContaining('does not show') as string })
      expect((await backend.observe([kept, stopped], call())).map(sight)).toEqual(['unknown', 'unknown'])
      expect(await failure(backend.release(kept, 1, call()))).toBeInstanceOf(NotYet)
      expect(await backend.stop(stopped, call())).toBe('going')
      expect((await server.workflow(idOf(stopped))).storeState).toBeNull()
      await server.set({ summary: 0.1 })
      await seen(backend, kept, 'inert')
      expect(sight(await seen(backend, stopped, 'withdrawn'))).toBe('withdrawn')
      await backend.release(stopped, 1, call())
      await backend.release(kept, 2, call())
      await seen(backend, kept, 'ended')
      expect([await launches(kept), await launches(stopped)]).toEqual([1, 0])
    })

    test('an abort of what is not there yet is repeated until it is', async () => {
      const one = job()
      const ref = `${one.engineName}.${workflowId(DEPLOYMENT, one.engineName)}`
      expect(await backend.stop(ref, call())).toBe('going')
      expect(await backend.remove(ref, call())).toBe('going')
      expect(await backend.create(one, undefined, call())).toBe(ref)
      await until(() => backend.stop(ref, call()), (answer) => answer === 'gone')
      expect(sight(await look(backend, ref))).toBe('withdrawn')
      await until(() => backend.remove(ref, call()), (answer) => answer === 'gone')
      expect(await look(backend, ref)).toEqual({ kind: 'absent' })
      expect(await launches(ref)).toBe(0)
    })

    test('a job that was never there is absent once younger ones are shown, not before', async () => {
      const { engineName } = job()
      const ref = `${engineName}.${workflowId(DEPLOYMENT, engineName)}`
      expect(sight(await look(backend, ref))).toBe('unknown')
      await delay(1100)
      expect(sight(await look(backend, ref))).toBe('unknown')
      const younger = await backend.create(job(), undefined, call())
      await seen(backend, younger, 'inert')
      expect(sight(await look(backend, ref))).toBe('absent')
      expect(await backend.remove(ref, call())).toBe('gone')
    })

    test('outputs come after the last status: until then it runs', async () => {
      await server.set({ metadata_gap: 1.5 })
      const ref = await backend.create(job({ entrypoint: ['sh', '-c', 'echo out; exit 4'] }), undefined, call())
      await seen(backend, ref, 'inert')
      await backend.release(ref, 1, call())
      const status = async () => ((await server.api(`${idOf(ref)}/status`)) as { status: string }).status
      await until(status, (word) => word === 'Succeeded')
      const before = await look(backend, ref)
      await server.set({ metadata_gap: 0.1 })
      expect(before).toMatchObject({ phase: 'running', message: expect.stringContaining('outcome') as string })
      expect(await seen(backend, ref, 'ended')).toMatchObject({ reason: 'NonZeroExit', exitCode: 4 })
    })

    test('a job whose process is gone without a code has lost its host', async () => {
      const ref = await backend.create(job({ entrypoint: ['sleep', '60'] }), undefined, call())
      await seen(backend, ref, 'inert')
      await backend.release(ref, 1, call())
      await until(() => server.workflow(idOf(ref)), ({ launchCount }) => launchCount === 1)
      await delay(500)
      await server.act(idOf(ref), 'lose')
      const end = await seen(backend, ref, 'ended')
      expect(end).toMatchObject({ reason: 'HostLost' })
      expect(end).not.toHaveProperty('exitCode')
    })

    test('what is archived is no longer known', async () => {
      const ref = await backend.create(job(), undefined, call())
      await seen(backend, ref, 'inert')
      await backend.release(ref, 1, call())
      await seen(backend, ref, 'ended')
      await server.act(idOf(ref), 'archive')
      expect(await look(backend, ref)).toEqual({ kind: 'absent' })
    })

    test('a release and an abort by somebody else are seen as what they are', async () => {
      const aborted = await backend.create(job(), undefined, call())
      const running = await backend.create(job({ entrypoint: ['sleep', '60'] }), undefined, call())
      await seen(backend, aborted, 'inert')
      await server.api(`${idOf(aborted)}/abort`, { method: 'POST' })
      await seen(backend, aborted, 'withdrawn')
      await seen(backend, running, 'inert')
      await server.api(`${idOf(running)}/releaseHold`, { method: 'POST' })
      await seen(backend, running, 'running')
      await server.api(`${idOf(running)}/abort`, { method: 'POST' })
      expect(await seen(backend, running, 'ended')).toMatchObject({ reason: 'KilledBySignal', message: expect.stringContaining('aborted') as string })
    })
  })

  describe('without ids of our own (74)', () => {
    beforeAll(() => start('74'))
    afterAll(() => server.close())

    test('a create whose answer is lost leaves a workflow on hold, which find shows and nobody starts', async () => {
      const one = job()
      // the first submission is refused for its id, and says so
      await server.fault({ path: SUBMIT, method: 'POST', action: 'drop', count: 2 })
      await failure(backend.create(one, undefined, call()))
      await failure(backend.create(one, undefined, call()))
      const ref = await backend.create(one, undefined, call())
      await seen(backend, ref, 'inert')
      const found = await backend.find(one.engineName, call())
      const others = found.map((each) => each.ref).filter((each) => each !== ref)
      expect(found.map(({ observation }) => observation.kind)).toEqual(found.map(() => 'inert'))
      await backend.release(ref, 1, call())
      await seen(backend, ref, 'ended')
      expect(await launches(ref)).toBe(1)
      for (const other of others) {
        expect(await launches(other)).toBe(0)
        await until(() => backend.remove(other, call()), (answer) => answer === 'gone')
      }
      expect((await backend.find(one.engineName, call())).map((each) => each.ref)).toEqual([ref])
    })

    test('before the summary nothing is done to a job whose owner nobody has told', async () => {
      await server.set({ summary: 3600 })
      const ref = await backend.create(job(), undefined, call())
      expect(await failure(backend.release(ref, 1, call()))).toBeInstanceOf(NotYet)
      expect(await backend.stop(ref, call())).toBe('going')
      expect((await server.workflow(idOf(ref))).storeState).toBe('On Hold')
      await server.set({ summary: 0.1 })
      await until(() => backend.stop(ref, call()), (answer) => answer === 'gone')
      expect(sight(await look(backend, ref))).toBe('withdrawn')
    })

    test('labels may trail: until they are there a job is unknown', async () => {
      await server.set({ label_lag: 2 })
      const ref = await backend.create(job(), undefined, call())
      await server.set({ label_lag: 0 })
      await until(() => server.api(`${idOf(ref)}/status`), (answer) => (answer as { status: string }).status === 'On Hold')
      expect(sight(await look(backend, ref))).toBe('unknown')
      await seen(backend, ref, 'inert')
      await until(() => backend.remove(ref, call()), (answer) => answer === 'gone')
    })
  })

  describe.each<Mode>(['modern', '74'])('a restart (%s)', (mode) => {
    beforeEach(() => start(mode))
    afterEach(() => server.close())

    test.each(['SIGTERM', 'SIGKILL'] as const)('by %s: a job that ran goes on, one on hold stays so, and nothing runs twice', async (signal) => {
      const held = await backend.create(job(), undefined, call())
      const ref = await backend.create(job({ entrypoint: ['sh', '-c', 'sleep 2; exit 3'] }), undefined, call())
      await seen(backend, held, 'inert')
      await seen(backend, ref, 'inert')
      await backend.release(ref, 1, call())
      await until(() => server.workflow(idOf(ref)), ({ launchCount }) => launchCount === 1)
      await delay(700)
      await server.down(signal)
      expect((await backend.observe([ref, held], call())).map(sight)).toEqual(['unknown', 'unknown'])
      await server.up()
      expect(await seen(backend, ref, 'ended')).toMatchObject({ exitCode: 3 })
      expect(await look(backend, held)).toEqual({ kind: 'inert' })
      expect([await launches(ref), await launches(held)]).toEqual([1, 0])
    })

    test('that loses what was not written yet: the job is never shown, and in the end counts as absent', async () => {
      await server.set({ metadata_flush: 3600 })
      const one = job()
      const ref = await backend.create(one, undefined, call())
      await server.down('SIGKILL')
      await server.up()
      await server.set({ metadata_flush: 0.1 })
      const again = await backend.create(one, undefined, call())
      expect(again === ref).toBe(mode === 'modern')
      expect(sight(await look(backend, ref))).toBe('unknown')
      await delay(1100)
      const younger = await backend.create(job(), undefined, call())
      await seen(backend, younger, 'inert')
      expect(sight(await look(backend, ref))).toBe('absent')
      expect(await launches(ref)).toBe(0)
    })
  })
})
