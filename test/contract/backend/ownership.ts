import type { Found } from '../../../lib/backends/contract.ts'
import { call } from './bench.ts'
import type { Part } from './suite.ts'

export const belongsToItsDeployment: Part = (bench, { supports }) => {
  const listed = async (): Promise<Found[]> => {
    const found: Found[] = []
    for await (const one of bench.backend.list(call())) found.push(one)
    return found
  }

  test('a job is found by its engine name, with its owner and its state', async () => {
    const trial = await bench.trial('exit 0')
    expect(await bench.backend.find(trial.job.engineName, call())).toEqual([])
    const ref = await bench.create(trial)
    const labels = supports.labels ? { labels: trial.job.owner } : {}
    const { engineName } = trial.job
    expect(await bench.backend.find(engineName, call())).toEqual([{ engineName, ref, observation: { kind: 'inert' }, ...labels }])
    expect(await bench.backend.find(engineName.slice(0, -1), call())).toEqual([])
  })

  test('the list holds every job of the deployment, in every state', async () => {
    const inert = await bench.create(await bench.trial('exit 0'))
    const { ref: ended } = await bench.run(await bench.trial('exit 7'))
    const seen = new Map((await listed()).map((one) => [one.ref, one]))
    expect([...seen.keys()].sort()).toEqual([inert, ended].sort())
    expect(seen.get(inert)?.observation).toEqual({ kind: 'inert' })
    expect(seen.get(ended)?.observation).toMatchObject({ phase: 'ended', exitCode: 7 })
    if (supports.labels) for (const one of seen.values()) expect(one.labels?.deployment).toBe(bench.deployment)
  })

  test('what is another deployment\'s is not seen, not released, not stopped and not removed', async () => {
    const deployment = `${bench.deployment}-other`
    const other = bench.ground.open(deployment)
    const trial = await bench.trial('echo x >/share/outgoing/begun; while [ ! -e /share/outgoing/go ]; do sleep 0.1; done', { deployment })
    const ref = await bench.create(trial, other)

    expect(await bench.look(ref)).toEqual({ kind: 'absent' })
    expect(await bench.backend.find(trial.job.engineName, call())).toEqual([])
    expect((await listed()).map((one) => one.ref)).not.toContain(ref)
    await expect(bench.backend.logs(ref, { tailLines: 1, maxBytes: 1 }, call())).rejects.toThrow()
    const { backend } = bench
    const meddle = () => Promise.allSettled([backend.release(ref, 1, call()), backend.stop(ref, call()), backend.remove(ref, call())])
    await meddle()
    expect(await bench.runsAfterAll(trial)).toBe(0)
    expect(await bench.look(ref, other)).toEqual({ kind: 'inert' })

    await other.release(ref, 1, call())
    await bench.written(trial, 'begun')
    await meddle()
    await bench.watch()
    expect(await bench.look(ref, other)).toMatchObject({ kind: 'state', phase: 'running' })
    await trial.put('go')
    const seen = await bench.until(() => bench.look(ref, other), (one) => one.kind === 'state' && one.phase === 'ended')
    expect(seen).toMatchObject({ exitCode: 0 })
  })
}
