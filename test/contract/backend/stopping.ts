import { REASONS } from '../../../lib/jobs/reasons.ts'
import { testIf } from '../../support/skip.ts'
import { call } from './bench.ts'
import type { Trial } from './bench.ts'
import type { Part } from './suite.ts'

/** A process tree of three, all of which go on for ever; the job's own end does not end the others. */
const TREE = `
tick() { while :; do echo tick >>"/share/outgoing/$1"; sleep 0.1; done; }
(trap '' TERM; tick deaf) &
(sh -c 'while :; do echo tick >>/share/outgoing/grandchild; sleep 0.1; done') &
tick job`
const TICKS = ['job', 'deaf', 'grandchild']
const DEAF = `trap '' TERM; tick() { while :; do echo tick >>"/share/outgoing/$1"; sleep 0.1; done; }; tick job`

export const staysStopped: Part = (bench, { supports }) => {
  const ticks = async (trial: Trial) => Promise.all(TICKS.map(async (name) => (await trial.output(name)).length))

  /** Nothing of the job goes on, and it is not begun again. */
  async function isOver(trial: Trial, runs: number): Promise<void> {
    const before = await ticks(trial)
    expect(await bench.runsAfterAll(trial)).toBe(runs)
    expect(await ticks(trial)).toEqual(before)
  }

  for (const act of ['stop', 'remove'] as const) {
    describe(act, () => {
      test('before the release: it never runs, whatever release arrives later', async () => {
        const trial = await bench.trial('exit 0')
        const ref = await bench.create(trial)
        await bench.gone(act, ref)
        await bench.backend.release(ref, 1, call()).catch(() => undefined)
        await bench.backend.release(ref, 2, call()).catch(() => undefined)
        await isOver(trial, 0)
        const seen = await bench.look(ref)
        const answer = seen.kind === 'state' ? seen.phase : seen.kind
        expect(act === 'stop' ? ['absent', 'withdrawn', 'ended'] : ['absent']).toContain(answer)
      })

      test('while it runs: the whole process tree ends', async () => {
        const trial = await bench.trial(TREE)
        const ref = await bench.start(trial)
        for (const name of TICKS) await bench.written(trial, name)
        await bench.gone(act, ref)
        await bench.backend.release(ref, 2, call()).catch(() => undefined)
        await isOver(trial, 1)
        const seen = await bench.look(ref)
        if (act === 'stop' && seen.kind === 'state') {
          expect(seen.phase).toBe('ended')
          expect(seen.phase === 'ended' && REASONS[seen.reason].final).not.toBe('succeeded')
        } else expect(seen).toEqual({ kind: 'absent' })
      })

      test('while it runs, and does not heed SIGTERM', async () => {
        const trial = await bench.trial(DEAF)
        const ref = await bench.start(trial)
        await bench.written(trial, 'job')
        await bench.gone(act, ref)
        await isOver(trial, 1)
      })

      test('at the same moment as its release: it runs once or never, and is gone', async () => {
        const trial = await bench.trial(TREE)
        const ref = await bench.create(trial)
        const { backend } = bench
        await Promise.allSettled([backend.release(ref, 1, call()), backend[act](ref, call()), backend.release(ref, 2, call())])
        await bench.gone(act, ref)
        await isOver(trial, await trial.runs())
        expect(await trial.runs()).toBeLessThanOrEqual(1)
      })

      test('again, and of what is not there: gone', async () => {
        const trial = await bench.trial('exit 0')
        const ref = await bench.create(trial)
        await bench.gone(act, ref)
        expect(await bench.backend[act](ref, call())).toBe('gone')
        await bench.gone('remove', ref)
        expect(await bench.backend[act](ref, call())).toBe('gone')
        expect(await bench.look(ref)).toEqual({ kind: 'absent' })
      })
    })
  }

  test('stop after the end changes nothing', async () => {
    const { ref, end } = await bench.run(await bench.trial('echo kept; exit 3'))
    await bench.gone('stop', ref)
    if (!supports.stopForgets) expect(await bench.look(ref)).toEqual(end)
  })

  testIf(!supports.stopForgets, 'stopping loses the log', 'the log of a stopped job can still be read', async () => {
    const trial = await bench.trial('echo before; echo x >/share/outgoing/job; sleep 600')
    const ref = await bench.start(trial)
    await bench.written(trial, 'job')
    await bench.gone('stop', ref)
    const { bytes } = await bench.backend.logs(ref, { tailLines: 10, maxBytes: 100 }, call())
    expect(Buffer.from(bytes).toString()).toBe('before\n')
  })

  test('remove after the end: nothing of it is left', async () => {
    const trial = await bench.trial('exit 0')
    const { ref } = await bench.run(trial)
    await bench.gone('remove', ref)
    expect(await bench.look(ref)).toEqual({ kind: 'absent' })
    expect(await bench.backend.find(trial.job.engineName, call())).toEqual([])
    await bench.backend.release(ref, 2, call()).catch(() => undefined)
    await isOver(trial, 1)
  })
}
