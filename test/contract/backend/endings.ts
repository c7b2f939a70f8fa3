import { REASONS } from '../../../lib/jobs/reasons.ts'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import { testIf } from '../../support/skip.ts'
import type { Part } from './suite.ts'

export const endsAsItEnded: Part = (bench, { supports, readOnlyInputs, hidesOutOfMemory = false }) => {
  test.each([0, 1, 3, 126, 127, 130, 137, 143, 255])('exit code %i', async (code) => {
    const trial = await bench.trial(`exit ${code}`)
    const { end } = await bench.run(trial)
    expect(end.exitCode).toBe(code)
    expect(REASONS[end.reason].final).toBe(code === 0 ? 'succeeded' : 'failed')
    expect(await trial.runs()).toBe(1)
  })

  test('a signal that was not ours is a failure with 128 and its number', async () => {
    const { kill } = bench.ground
    const trial = await bench.trial(kill === undefined ? 'kill -9 $$' : 'echo x >/share/outgoing/begun; sleep 600')
    const ref = await bench.start(trial)
    if (kill !== undefined) {
      await bench.written(trial, 'begun')
      await kill(ref)
    }
    const end = await bench.end(ref)
    expect(end.exitCode).toBe(137)
    expect(REASONS[end.reason].final).toBe('failed')
  })

  test('a program that is not there never counts as a success', async () => {
    const trial = await bench.trial('', { argv: ['/no/such/program', 'word'] })
    try {
      expect((await bench.run(trial)).end).toMatchObject({ reason: expect.stringMatching(/^(CommandNotFound|StartFailed)$/) as string })
    } catch (error) {
      // Some engines say so at once.
      if (!(error instanceof EngineRejected)) throw error
      expect(REASONS[error.reason].final).toBe('failed')
    }
  })

  test('its times are told in their order', async () => {
    const before = Date.now()
    const { end } = await bench.run(await bench.trial('sleep 1'))
    const { startedAt = before, finishedAt = Date.now() } = end
    expect(finishedAt).toBeGreaterThanOrEqual(startedAt)
    // The engine's clock may be another one, and one of whole seconds.
    expect(Math.abs(finishedAt - before)).toBeLessThan(60_000)
  })

  testIf(supports.timeLimit, 'the engine has no time limit', 'a job that ends in time is not touched by its limit', async () => {
    const { end } = await bench.run(await bench.trial('exit 0', { timeLimit: 30 }))
    expect(end).toMatchObject({ reason: 'Completed', exitCode: 0 })
  })

  testIf(supports.memoryLimit, 'the engine has no memory limit', 'a job that needs more memory than its limit fails by that', async () => {
    const { end } = await bench.run(await bench.trial('exec dd if=/dev/zero of=/dev/null bs=100M count=1', { memory: 32 }))
    expect(end.reason).toBe(hidesOutOfMemory ? 'KilledBySignal' : 'OutOfMemory')
    expect(REASONS[end.reason].final).toBe('failed')
  })

  testIf(supports.memoryLimit, 'the engine has no memory limit', 'a job that keeps within its memory is not touched by its limit', async () => {
    const { end } = await bench.run(await bench.trial('exec dd if=/dev/zero of=/dev/null bs=4M count=4', { memory: 32 }))
    expect(end).toMatchObject({ reason: 'Completed', exitCode: 0 })
  })

  testIf(supports.user, 'the engine runs all jobs as one user', 'the job is the user that it should be, by its primary group too', async () => {
    const trial = await bench.trial('{ id -u; id -g; } >/share/outgoing/id', { user: { uid: 4321, gid: 5678 } })
    expect((await bench.run(trial)).end.exitCode).toBe(0)
    expect((await trial.output('id')).toString()).toBe('4321\n5678\n')
  })

  testIf(readOnlyInputs, 'mounts are not protected here', 'the input cannot be written to', async () => {
    const trial = await bench.trial('echo x >/share/incoming/x && exit 0; exit 5')
    expect((await bench.run(trial)).end.exitCode).toBe(5)
  })
}
