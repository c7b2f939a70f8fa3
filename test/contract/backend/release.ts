import { testIf } from '../../support/skip.ts'
import { call, refusal } from './bench.ts'
import type { Part } from './suite.ts'

export const isReleasedOnce: Part = (bench, { seesDirectories }) => {
  test('a job that was made is inert, and does not begin by itself', async () => {
    const trial = await bench.trial('exit 0')
    const ref = await bench.create(trial)
    expect(await bench.look(ref)).toEqual({ kind: 'inert' })
    expect(await bench.runsAfterAll(trial)).toBe(0)
    expect(await bench.look(ref)).toEqual({ kind: 'inert' })
  })

  test('a release lets it run, once', async () => {
    const trial = await bench.trial('exit 0')
    const { end } = await bench.run(trial)
    expect(end).toMatchObject({ reason: 'Completed', exitCode: 0 })
    expect(await bench.runsAfterAll(trial)).toBe(1)
  })

  test('further releases, while it runs and after its end, do not run it again', async () => {
    const trial = await bench.trial('echo begun >/share/outgoing/begun; while [ ! -e /share/outgoing/go ]; do sleep 0.1; done; exit 3')
    const other = await bench.trial('exit 0')
    const ref = await bench.start(trial)
    await bench.written(trial, 'begun')
    await bench.backend.release(ref, 2, call())
    await bench.backend.release(ref, 3, call())
    expect(await bench.runsAfterAll(trial)).toBe(1)
    await trial.put('go')
    expect((await bench.end(ref)).exitCode).toBe(3)
    await bench.backend.release(ref, 4, call())
    expect((await bench.run(other)).end.exitCode).toBe(0)
    expect(await bench.runsAfterAll(trial)).toBe(1)
    expect((await bench.end(ref)).exitCode).toBe(3)
  })

  test('eight releases at once, by two drivers, run it once', async () => {
    const trial = await bench.trial('exit 0')
    const ref = await bench.create(trial)
    const drivers = [bench.backend, bench.ground.open(bench.deployment)]
    const releases = [1, 2, 3, 4].flatMap((round) => drivers.map((driver, index) => driver.release(ref, 2 * round + index - 1, call())))
    // One that finds another at work may be refused; it must not have run the job a second time.
    expect((await Promise.allSettled(releases)).some(({ status }) => status === 'fulfilled')).toBe(true)
    expect((await bench.end(ref)).exitCode).toBe(0)
    expect(await bench.runsAfterAll(trial)).toBe(1)
  })

  test('a create that is sent again makes nothing that runs, and the job that is released runs once', async () => {
    const trial = await bench.trial('exit 0')
    const ref = await bench.create(trial)
    // An engine with unique names gives the same ref again, or refuses.
    const [again] = await Promise.allSettled([bench.create(trial)])
    expect(again.status === 'rejected' || (await bench.look(again.value)).kind === 'inert').toBe(true)
    await bench.backend.release(ref, 1, call())
    expect((await bench.end(ref)).exitCode).toBe(0)
    expect(await bench.runsAfterAll(trial)).toBe(1)
  })

  test('a create that arrives after the job was removed makes nothing that runs, whatever release arrives later', async () => {
    const trial = await bench.trial('exit 0')
    const ref = await bench.start(trial)
    await bench.end(ref)
    await bench.gone('remove', ref)
    const [late] = await Promise.allSettled([bench.create(trial)])
    if (late.status === 'fulfilled' && late.value !== ref) await bench.backend.release(ref, 2, call()).catch(() => undefined)
    expect(await bench.runsAfterAll(trial)).toBe(1)
  })

  test('the release of a job that is gone does nothing', async () => {
    const trial = await bench.trial('exit 0')
    const ref = await bench.create(trial)
    await bench.gone('remove', ref)
    await bench.backend.release(ref, 1, call()).catch(() => undefined)
    expect(await bench.runsAfterAll(trial)).toBe(0)
    expect(await bench.look(ref)).toEqual({ kind: 'absent' })
  })

  test('observe answers for each ref, in their order, as often as it is asked for', async () => {
    const ended = await bench.run(await bench.trial('exit 0'))
    const inert = await bench.create(await bench.trial('exit 0'))
    const removed = await bench.create(await bench.trial('exit 0'))
    await bench.gone('remove', removed)
    const seen = await bench.backend.observe([inert, removed, ended.ref, inert], call())
    expect(seen.map((one) => (one.kind === 'state' ? one.phase : one.kind))).toEqual(['inert', 'absent', 'ended', 'inert'])
    expect(await bench.backend.observe([], call())).toEqual([])
  })

  test('what cannot be asked is unknown, never absent', async () => {
    const ref = await bench.create(await bench.trial('exit 0'))
    const blind = bench.ground.openUnreachable()
    const seen = await blind.observe([ref, ref], call())
    expect(seen).toEqual([ref, ref].map(() => ({ kind: 'unknown', error: expect.stringMatching(/./) as string })))
    const looked = [blind.find('contract-none', call()), blind.logs(ref, { tailLines: 1, maxBytes: 1 }, call()), blind.health(call())]
    const answers = await Promise.allSettled([...looked, blind.stop(ref, call()), blind.remove(ref, call())])
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 'rejected'))
    expect(await bench.look(ref)).toEqual({ kind: 'inert' })
  })

  test('the engine tells its version', async () => {
    const health = await bench.backend.health(call())
    expect(health.version).toMatch(/\d/)
    expect(health.latencyMs).toBeGreaterThanOrEqual(0)
  })

  const unseen = 'the directories are not seen from here'
  testIf(seesDirectories, unseen, 'a directory that is not there is refused by its field, before anything is made', async () => {
    const { job, runs } = await bench.trial('exit 0')
    const mounts = job.spec.mounts.map((mount) => (mount.readOnly ? { ...mount, source: `${mount.source}/none` } : mount))
    const spec = { ...job.spec, mounts }
    const asked = [bench.backend.create({ ...job, spec }, undefined, call()), bench.backend.check?.(spec, call())]
    for (const refused of await Promise.all(asked.flatMap((one) => (one === undefined ? [] : [refusal(one)])))) {
      expect(refused.fields).toEqual({ input_dir: expect.stringMatching(/./) as string })
      expect(refused.message).toContain('input_dir')
    }
    expect(await bench.backend.find(job.engineName, call())).toEqual([])
    expect(await runs()).toBe(0)
  })

  test('a job that can run passes the check', async () => {
    const { job } = await bench.trial('exit 0')
    const answer = await bench.backend.check?.(job.spec, call())
    expect(answer).toBeUndefined()
  })
}
