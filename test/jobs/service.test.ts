import { PmanError } from '../../lib/errors.ts'
import type { JobKey, Principal } from '../../lib/jobs/types.ts'
import { EngineRejected, LogGone } from '../../lib/backends/contract.ts'
import { ANYONE, testGateway, type Gateway } from '../support/gateway.ts'

let gateway: Gateway
let key: JobKey
beforeAll(async () => {
  gateway = await testGateway()
})
beforeEach(() => {
  gateway.engine.mend()
  gateway.dispatches = false
  gateway.ahead = 0
  key = gateway.key()
})
afterAll(() => gateway.stop())

const submit = (text: string, more = {}) => gateway.service.submit(ANYONE, key, gateway.script(key, text, more))
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
    return 'none'
  } catch (error) {
    return error instanceof PmanError ? error.code : `not ours: ${String(error)}`
  }
}

describe('the straight path', () => {
  test('a job runs once, its end and log are kept', async () => {
    const { record } = await submit('echo hello; echo oops >&2; exit 3')
    expect(record).toMatchObject({ state: 'submitted', generation: 1, attempt: 1 })
    await gateway.until(key, 'failed')
    const after = await gateway.service.status(ANYONE, key)
    expect(after.record).toMatchObject({ reason: 'NonZeroExit', exitCode: 3 })
    expect(Buffer.from(after.log).toString()).toBe('hello\noops\n')
    expect(gateway.runs(key)).toBe(1)
    expect(after.record.history.map(({ write }) => write)).toEqual(['intent', 'commit', 'look', 'end'].filter((write) => write !== 'look' || after.record.history.length === 4))
  })

  test('the status of a finished job asks nobody but the table', async () => {
    await submit('exit 0')
    await gateway.until(key, 'succeeded')
    const before = { ...gateway.engine.calls }
    await gateway.service.status(ANYONE, key)
    await gateway.service.logs(ANYONE, key, 10)
    expect(gateway.engine.calls).toEqual(before)
  })

  test('the log of a running job is shown, and does not come and go between polls', async () => {
    await submit('echo begun; sleep 2')
    await gateway.until(key, 'running')
    for (let n = 0; n < 40; n++) {
      const { log } = await gateway.service.status(ANYONE, key)
      if (Buffer.from(log).toString() === 'begun\n') break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    for (let n = 0; n < 5; n++) expect(Buffer.from((await gateway.service.status(ANYONE, key)).log).toString()).toBe('begun\n')
    expect(Buffer.from((await gateway.service.logs(ANYONE, key, 10)).bytes).toString()).toBe('begun\n')
    await gateway.service.delete(ANYONE, key)
  })

  test('50 pollers at once ask the engine once an interval', async () => {
    await submit('sleep 1')
    const before = gateway.engine.calls.observe
    await Promise.all(Array.from({ length: 50 }, () => gateway.service.status(ANYONE, key)))
    const intervals = 1 + Math.ceil(3000 / gateway.engine.pollInterval)
    expect(gateway.engine.calls.observe - before).toBeLessThanOrEqual(intervals)
    expect(gateway.engine.calls.observe - before).toBeGreaterThanOrEqual(1)
    await gateway.service.delete(ANYONE, key)
  })

  test('what is asked for and not done is told', async () => {
    const { record } = await submit('exit 0', { cpuLimit: 1000, memoryLimit: 200, workers: 2 })
    expect(record.warnings).toEqual(['memoryLimit', 'cpuLimit', 'workers'])
  })

  test('a long argv is whole in every status', async () => {
    const args = ['x'.repeat(50_000), '']
    await submit('exit 0', { args })
    const { argv } = await gateway.service.status(ANYONE, key)
    expect(argv.slice(-2)).toEqual(args)
  })
})

describe('the same jid again', () => {
  test('the same request: the same job, whatever its state', async () => {
    const first = await submit('exit 4')
    expect((await submit('exit 4')).record.engineName).toBe(first.record.engineName)
    await gateway.until(key, 'failed')
    expect((await submit('exit 4')).record).toMatchObject({ state: 'failed', generation: 1 })
    expect(gateway.runs(key)).toBe(1)
  })

  test('another request: a conflict that names what differs', async () => {
    await submit('exit 0')
    await expect(submit('exit 1', { workers: 3 })).rejects.toMatchObject({ code: 'conflict', fields: { entrypoint: expect.any(String) as string, workers: expect.any(String) as string } })
  })

  test('after a delete: a new generation, at once, and the old one does not run on', async () => {
    await submit('sleep 30')
    await gateway.until(key, 'running')
    await gateway.service.delete(ANYONE, key)
    const again = await submit('echo second >> /share/outgoing/second')
    expect(again.record.generation).toBe(2)
    await driveUntil('succeeded')
    expect(gateway.output(key, 'second')).toBe('second\n')
    expect(gateway.runs(key)).toBe(2)
  })

  test('64 identical submits make one job', async () => {
    const answers = await Promise.all(Array.from({ length: 64 }, () => submit('exit 0')))
    expect(new Set(answers.map(({ record }) => record.engineName)).size).toBe(1)
    await gateway.until(key, 'succeeded')
    expect(gateway.runs(key)).toBe(1)
  })

  test('after a refusal the same request is a new generation, another one a conflict', async () => {
    gateway.engine.fail('create', () => Promise.reject(new EngineRejected('no such flavour')), 1)
    expect(await codeOf(submit('exit 0'))).toBe('engine_rejected')
    expect(await gateway.record(key)).toMatchObject({ state: 'failed', neverRan: true, reason: 'EngineRejected', message: 'no such flavour' })
    expect(await codeOf(submit('exit 1'))).toBe('conflict')
    expect((await submit('exit 0')).record.generation).toBe(2)
    await gateway.until(key, 'succeeded')
    expect(gateway.runs(key)).toBe(1)
  })

  /** With cleanup in between, as on a real deployment. */
  async function driveUntil(state: 'succeeded'): Promise<void> {
    for (let n = 0; n < 100; n++) {
      gateway.ahead += 31_000
      await gateway.cleanup()
      if ((await gateway.service.status(ANYONE, key)).record.state === state) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`not ${state}`)
  }
})

describe('refused before anything is recorded', () => {
  test('a directory that is not there', async () => {
    const mounts = [{ field: 'input_dir', source: 'no/such/dir', target: '/share/incoming', readOnly: true }]
    await expect(submit('exit 0', { mounts })).rejects.toMatchObject({ code: 'invalid', fields: { input_dir: expect.any(String) as string } })
    expect(await gateway.record(key)).toBeUndefined()
  })

  test('an image that is not on the list', async () => {
    const strict = await testGateway({ imageAllowList: ['ghcr.io/fnndsc/*'] })
    try {
      const spec = strict.script(key, 'exit 0')
      await expect(strict.service.submit(ANYONE, key, spec)).rejects.toMatchObject({ code: 'invalid', fields: { image: expect.any(String) as string } })
      expect(await strict.record(key)).toBeUndefined()
    } finally {
      await strict.stop()
    }
  })

  test('a refused release: its own error, a final record that never ran', async () => {
    gateway.engine.fail('release', () => Promise.reject(new EngineRejected('no')), 1)
    expect(await codeOf(submit('exit 0'))).toBe('engine_rejected')
    expect(await gateway.record(key)).toMatchObject({ state: 'failed', neverRan: true })
  })
})

describe('rights', () => {
  const reader: Principal = { name: 'reader', scopes: ['read'] }
  const stranger: Principal = { name: 'stranger', scopes: ['read', 'write'], computes: ['elsewhere'] }
  test('a reader reads and does not write, a stranger does neither', async () => {
    await submit('exit 0')
    const spec = gateway.script(key, 'exit 0')
    const { service } = gateway
    expect(await codeOf(service.status(reader, key))).toBe('none')
    expect(await codeOf(service.submit(reader, key, spec))).toBe('forbidden')
    expect(await codeOf(service.delete(reader, key))).toBe('forbidden')
    expect(await codeOf(service.cancel(reader, key))).toBe('forbidden')
    for (const call of [service.status(stranger, key), service.logs(stranger, key, 1), service.delete(stranger, key)]) {
      expect(await codeOf(call)).toBe('forbidden')
    }
    expect(await codeOf(service.status(ANYONE, { ...key, compute: 'nowhere' }))).toBe('not_found')
    expect(await codeOf(service.status(ANYONE, { ...key, compute: 'default' }))).toBe('none')
  })
})

describe('cancel and delete', () => {
  test('cancel stops the job and keeps its record and log', async () => {
    await submit('echo begun; sleep 30')
    await gateway.until(key, 'running')
    await gateway.service.cancel(ANYONE, key)
    expect(await gateway.until(key, 'cancelled')).toMatchObject({ reason: 'CancelRequested' })
    expect(Buffer.from((await gateway.service.status(ANYONE, key)).log).toString()).toBe('begun\n')
    await gateway.service.cancel(ANYONE, key)
    expect((await gateway.record(key))?.state).toBe('cancelled')
  })

  test('a cancelled job never runs if it had not begun', async () => {
    gateway.engine.fail('release', 'refused')
    await submit('exit 0')
    gateway.engine.mend()
    await gateway.service.cancel(ANYONE, key)
    await gateway.until(key, 'cancelled')
    expect(gateway.runs(key)).toBe(0)
  })

  test('delete stops the job, leaves nothing in the engine, and frees the jid; again: the same answer; then 404', async () => {
    const { record } = await submit('sleep 30')
    await gateway.until(key, 'running')
    await gateway.service.delete(ANYONE, key)
    expect(await codeOf(gateway.service.status(ANYONE, key))).toBe('not_found')
    expect(await codeOf(gateway.service.logs(ANYONE, key, 1))).toBe('not_found')
    expect(await codeOf(gateway.service.delete(ANYONE, key))).toBe('none')
    await untilCleared()
    expect(await found(record.engineName)).toEqual([])
    expect(await gateway.core.store.getRequest(key, record)).toBeUndefined()
    gateway.ahead += gateway.core.timing.tombstone + 1000
    expect(await codeOf(gateway.service.delete(ANYONE, key))).toBe('not_found')
  })

  test('an engine that is down does not hold up a delete; cleanup finishes it', async () => {
    const { record } = await submit('sleep 30')
    await gateway.until(key, 'running')
    gateway.engine.fail('remove', 'refused')
    await gateway.service.delete(ANYONE, key)
    expect(await gateway.record(key)).toMatchObject({ state: 'deleted', previous: [{ engineName: record.engineName }] })
    gateway.engine.mend()
    await untilCleared()
    expect(await found(record.engineName)).toEqual([])
  })

  test('a jid that nobody knows, or that none can have: 404', async () => {
    for (const jid of ['never-seen', '', 'a/b', 'x'.repeat(3000)]) {
      expect(await codeOf(gateway.service.status(ANYONE, { compute: 'here', jid }))).toBe('not_found')
      expect(await codeOf(gateway.service.delete(ANYONE, { compute: 'here', jid }))).toBe('not_found')
    }
  })

  async function untilCleared(): Promise<void> {
    for (let n = 0; n < 100; n++) {
      await gateway.cleanup()
      if ((await gateway.record(key))?.previous.length === 0) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('not cleared')
  }

  const found = (name: string) =>
    gateway.engine.find(name, { signal: new AbortController().signal, deadline: Infinity, log: () => undefined })
})

describe('an engine that fails', () => {
  test.each(['refused', 'lost'] as const)('create %s: accepted all the same, cleanup goes on, one run', async (fault) => {
    gateway.engine.fail('create', fault, 1)
    const { record } = await submit('exit 0')
    expect(record.state).toBe('submitting')
    gateway.dispatches = true
    gateway.ahead += gateway.core.timing.lease
    await gateway.cleanup()
    await gateway.until(key, 'succeeded')
    expect(gateway.runs(key)).toBe(1)
  })

  test.each(['refused', 'lost'] as const)('release %s: released again, one run', async (fault) => {
    gateway.engine.fail('release', fault, 1)
    const { record } = await submit('exit 0')
    expect(record).toMatchObject({ state: 'submitted', attempt: 1 })
    await gateway.until(key, 'succeeded')
    expect(gateway.runs(key)).toBe(1)
  })

  test('an engine that never answers does not hold up the answer beyond its budget', async () => {
    const quick = await testGateway({}, { requestBudget: 300 })
    try {
      quick.engine.fail('create', 'hang')
      const { record } = await quick.service.submit(ANYONE, key, quick.script(key, 'exit 0'))
      expect(record.state).toBe('submitting')
      quick.engine.mend()
      quick.dispatches = true
      quick.ahead += quick.core.timing.lease
      await quick.cleanup()
      await quick.until(key, 'succeeded')
      expect(quick.runs(key)).toBe(1)
    } finally {
      await quick.stop()
    }
  })

  test('unreachable: the last known state, and since when; then it goes on', async () => {
    await submit('sleep 1')
    await gateway.until(key, 'running')
    gateway.engine.fail('observe', 'refused')
    await new Promise((resolve) => setTimeout(resolve, gateway.engine.pollInterval))
    const { record } = await gateway.service.status(ANYONE, key)
    expect(record).toMatchObject({ state: 'running', unreachable: { error: expect.stringContaining('ECONNREFUSED') as string } })
    gateway.engine.mend()
    expect(await gateway.until(key, 'succeeded')).not.toHaveProperty('unreachable')
  })

  test('a log that cannot be read holds up the end for a while, and no longer; then it is said', async () => {
    gateway.engine.fail('logs', 'refused')
    await submit('echo x; exit 5')
    for (let n = 0; n < 60 && (await gateway.record(key))?.endSeen === undefined; n++) {
      await gateway.service.status(ANYONE, key)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(await gateway.record(key)).toMatchObject({ endSeen: { end: { exitCode: 5 } }, message: expect.stringMatching(/log cannot be read/) as string })
    gateway.ahead += gateway.core.timing.captureWithin
    expect(await gateway.until(key, 'failed')).toMatchObject({ exitCode: 5, message: expect.stringMatching(/could not be read/) as string })
    expect(await gateway.record(key)).not.toHaveProperty('endSeen')
  })

  test('a log that the engine has removed holds up nothing; what was read while the job ran is kept', async () => {
    await submit('echo before; while [ ! -e /share/outgoing/go ]; do sleep 0.05; done; echo after')
    await gateway.until(key, 'running')
    for (let n = 0; n < 60; n++) {
      const { log } = await gateway.service.status(ANYONE, key)
      if (Buffer.from(log).toString() === 'before\n') break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    gateway.engine.fail('logs', () => Promise.reject(new LogGone('its container is gone')))
    gateway.put(key, 'go')
    expect(await gateway.until(key, 'succeeded')).toMatchObject({ message: expect.stringMatching(/could not be read/) as string })
    expect(Buffer.from((await gateway.service.status(ANYONE, key)).log).toString()).toBe('before\n')
  })

  test('what the engine has given up before it ran is removed from it, once its end is in the table', async () => {
    await submit('while [ ! -e /share/outgoing/go ]; do sleep 0.05; done')
    await gateway.until(key, 'running')
    const removals = gateway.engine.calls.remove
    gateway.engine.fail('remove', async (act) => {
      expect(await gateway.record(key)).toMatchObject({ state: 'failed', reason: 'ImageNotFound' })
      return act()
    })
    gateway.engine.fail('observe', () => Promise.resolve([{ kind: 'state', phase: 'ended', reason: 'ImageNotFound', message: 'no such image' }]))
    expect(await gateway.until(key, 'failed')).toMatchObject({ reason: 'ImageNotFound' })
    expect(gateway.engine.calls.remove - removals).toBe(1)
  })

  test('a job that ran and failed stays at its engine until its time is over', async () => {
    const removals = gateway.engine.calls.remove
    await submit('exit 3')
    await gateway.until(key, 'failed')
    expect(gateway.engine.calls.remove - removals).toBe(0)
  })

  test('a log that can be read again is kept with the end', async () => {
    gateway.engine.fail('logs', 'refused', 2)
    await submit('echo x; exit 5')
    expect(await gateway.until(key, 'failed')).toMatchObject({ exitCode: 5 })
    expect(Buffer.from((await gateway.service.status(ANYONE, key)).log).toString()).toBe('x\n')
  })

  test('an end that was seen stays known when the engine forgets the job before its log could be read', async () => {
    gateway.engine.fail('logs', 'refused')
    await submit('exit 5')
    for (let n = 0; n < 60 && (await gateway.record(key))?.endSeen === undefined; n++) {
      await gateway.service.status(ANYONE, key)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    gateway.engine.fail('observe', () => Promise.resolve([{ kind: 'absent' }]))
    expect(await gateway.until(key, 'failed')).toMatchObject({ reason: 'NonZeroExit', exitCode: 5 })
  })

  test('a cancel that nobody has confirmed for a day is given up only by who has asked in vain', async () => {
    await submit('sleep 30')
    await gateway.until(key, 'running')
    gateway.engine.fail('stop', 'refused')
    await gateway.service.cancel(ANYONE, key)
    gateway.ahead += gateway.core.timing.unreachableAfter
    await gateway.cleanup()
    expect((await gateway.record(key))?.state).toBe('cancelling')
    gateway.engine.fail('observe', 'refused')
    gateway.ahead += 31_000
    await gateway.cleanup()
    expect(await gateway.record(key)).toMatchObject({ state: 'lost', reason: 'EngineUnreachable', previous: [{}] })
    gateway.engine.mend()
    await new Promise((resolve) => setTimeout(resolve, 60))
    await gateway.service.delete(ANYONE, key)
  })

  test('an engine that does not answer is left alone for a while, then asked again', async () => {
    const calm = await testGateway({}, { breakerAfter: 2, breakerFor: 60_000 })
    try {
      await calm.service.submit(ANYONE, key, calm.script(key, 'exit 0'))
      calm.engine.fail('observe', 'refused')
      const poll = async () => {
        calm.ahead += 1000
        return calm.service.status(ANYONE, key)
      }
      const before = calm.engine.calls.observe
      for (let n = 0; n < 6; n++) await poll()
      expect(calm.engine.calls.observe - before).toBe(2)
      expect((await poll()).record.unreachable?.error).toMatch(/ECONNREFUSED/)
      calm.engine.mend()
      expect((await poll()).record.state).toBe('submitted')
      calm.ahead += 60_000
      await calm.until(key, 'succeeded')
    } finally {
      await calm.stop()
    }
  })

  test('a job that the engine has forgotten is lost, after the grace period, never finished', async () => {
    const { record } = await submit('sleep 2')
    await gateway.until(key, 'running')
    gateway.engine.fail('observe', () => Promise.resolve([{ kind: 'absent' }]))
    for (let n = 0; n < 2; n++) {
      gateway.ahead += 31_000
      await gateway.cleanup()
      expect((await gateway.record(key))?.state).toBe('running')
    }
    gateway.ahead += 61_000
    await gateway.cleanup()
    expect(await gateway.record(key)).toMatchObject({ state: 'lost', reason: 'EngineForgot', ref: record.ref })
  })
})

describe('deadlines and retention, by cleanup', () => {
  test('a job that runs too long is stopped and timed out', async () => {
    const strict = await testGateway({}, { runLimit: 300, reconcileAfter: 1 })
    try {
      await strict.service.submit(ANYONE, key, strict.script(key, 'sleep 60'))
      await strict.until(key, 'running')
      await new Promise((resolve) => setTimeout(resolve, 400))
      await strict.cleanup()
      expect(await strict.until(key, 'timed_out')).toMatchObject({ reason: 'TimeLimit' })
    } finally {
      await strict.stop()
    }
  })

  test('a job that cannot be handed over in time never ran, and says so', async () => {
    gateway.engine.fail('create', 'refused')
    await submit('exit 0')
    gateway.ahead = gateway.core.timing.commitWithin + 1000
    await gateway.cleanup()
    expect(await gateway.record(key)).toMatchObject({ state: 'failed', reason: 'DispatchExhausted', neverRan: true })
    gateway.engine.mend()
    expect((await submit('exit 0')).record.generation).toBe(2)
  })

  test('after the retention record, request, log and engine object are gone', async () => {
    const { record } = await submit('echo x')
    await gateway.until(key, 'succeeded')
    gateway.ahead = gateway.core.timing.retention - 1000
    await gateway.cleanup()
    expect(await gateway.record(key)).toBeDefined()
    gateway.ahead = gateway.core.timing.retention + 31_000
    await gateway.cleanup()
    gateway.ahead += 2000
    expect(await gateway.record(key)).toBeUndefined()
    expect(await gateway.core.store.getRequest(key, record)).toBeUndefined()
    const call = { signal: new AbortController().signal, deadline: Infinity, log: () => undefined }
    expect(await gateway.engine.find(record.engineName, call)).toEqual([])
  })

  test('REMOVE_JOBS=no: delete frees the jid and keeps the object, and a new generation runs beside it', async () => {
    const keeping = await testGateway({ removeJobs: false })
    try {
      const { record } = await keeping.service.submit(ANYONE, key, keeping.script(key, 'exit 0'))
      await keeping.until(key, 'succeeded')
      await keeping.service.delete(ANYONE, key)
      const call = { signal: new AbortController().signal, deadline: Infinity, log: () => undefined }
      expect(await keeping.engine.find(record.engineName, call)).toHaveLength(1)
      await keeping.service.submit(ANYONE, key, keeping.script(key, 'exit 0'))
      const after = await keeping.until(key, 'succeeded')
      expect(after).toMatchObject({ generation: 2, previous: [{ engineName: record.engineName, ended: true }] })
      expect(keeping.runs(key)).toBe(2)
      await keeping.engine.remove(record.ref ?? '', call)
      keeping.ahead = 2 * keeping.core.timing.keptCheck
      await keeping.cleanup()
      expect((await keeping.record(key))?.previous).toEqual([])
    } finally {
      await keeping.stop()
    }
  })
})


describe('records that this release cannot read', () => {
  test('are told in the log and left alone, and the rest goes on', async () => {
    const other = gateway.key()
    await submit('exit 0')
    await gateway.service.submit(ANYONE, other, gateway.script(other, 'exit 0'))
    const bad = await gateway.record(key)
    const { store } = gateway.core
    await store.write(key, 'later release', (record) => record && ({ ...record, schemaVersion: 2, writeId: 'x' } as unknown as typeof record))
    for (let n = 0; n < 60 && (await gateway.record(other))?.state !== 'succeeded'; n++) {
      gateway.ahead += 31_000
      await gateway.cleanup()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect((await gateway.record(other))?.state).toBe('succeeded')
    expect(await codeOf(gateway.service.status(ANYONE, key))).toBe('unreadable_record')
    expect(await codeOf(submit('exit 0'))).toBe('unreadable_record')
    const told = gateway.lines.filter(({ event, fields }) => event === 'cleanup failed for a job' && fields?.jid === key.jid)
    expect(String(told[0]?.fields?.error)).toMatch(/schema version 2/)
    expect(bad?.state).toBe('submitted')
  })
})
