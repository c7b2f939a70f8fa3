import { jest } from '@jest/globals'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import { call } from '../../contract/backend/bench.ts'
import { describeOnDocker } from './engine.ts'

jest.setTimeout(60_000)

describeOnDocker('what is not this service\'s, on Docker', ({ bench, foreign, inspect }) => {
  /** Nothing of it is told, and nothing happens to it. */
  async function isLeftAlone(ref: string): Promise<void> {
    const { backend } = bench
    expect(await bench.look(ref)).toEqual({ kind: 'absent' })
    await expect(backend.logs(ref, { tailLines: 9, maxBytes: 999 }, call())).rejects.toThrow(/not there/)
    await backend.release(ref, 1, call())
    expect(await backend.stop(ref, call())).toBe('gone')
    expect(await backend.remove(ref, call())).toBe('gone')
    expect(await backend.find(ref, call())).toEqual([])
  }

  test('another\'s container, by its id, the beginning of it, or its name, is not there, and runs on', async () => {
    const id = await foreign('foreign')
    const name = (await inspect(id))?.Name.slice(1) ?? ''
    for (const ref of [id, id.slice(0, 12), id.slice(0, 2), name, `/${name}`]) await isLeftAlone(ref)
    expect(await inspect(id)).toMatchObject({ Name: `/${name}`, State: { Status: 'running' } })
  })

  test('of our own, the beginning of the id and the name are no refs', async () => {
    const trial = await bench.trial('exit 0')
    const ref = await bench.create(trial)
    for (const other of [ref.slice(0, 63), ref.toUpperCase(), `${ref}0`, trial.job.engineName, ` ${ref}`]) {
      expect(await bench.look(other)).toEqual({ kind: 'absent' })
      expect(await bench.backend.remove(other, call())).toBe('gone')
    }
    expect(await bench.look(ref)).toEqual({ kind: 'inert' })
  })

  test.each(['', '.', '..', '../info', '%2e%2e', 'x/../../info', 'json', '?all=1', '*', 'a\nb', '\u0000'])('%j is no ref', async (ref) => {
    await isLeftAlone(ref)
  })

  test('labels of another deployment or another compute do not make it ours', async () => {
    const labels = {
      'pman-serverless.deployment': bench.deployment,
      'pman-serverless.compute': 'another',
      'pman-serverless.jid': 'j',
      'pman-serverless.generation': '1',
      'pman-serverless.spec-hash': 'h',
      'pman-serverless.engine-name': 'another-name',
    }
    const others = [labels, { ...labels, 'pman-serverless.compute': 'contract', 'pman-serverless.deployment': `${bench.deployment}x` }]
    for (const own of others) {
      const id = await foreign('labelled', own)
      await isLeftAlone(id)
      expect(await bench.backend.find('another-name', call())).toEqual([])
      expect(await inspect(id)).toMatchObject({ State: { Status: 'running' } })
    }
    for await (const one of bench.backend.list(call())) throw new Error(`listed: ${one.ref}`)
  })

  test('a job whose name another\'s container has is not made, and the other\'s is left alone', async () => {
    const id = await foreign('taken')
    const engineName = (await inspect(id))?.Name.slice(1) ?? ''
    const { job } = await bench.trial('exit 0')
    const error: unknown = await bench.backend.create({ ...job, engineName }, undefined, call()).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ status: 409 })
    expect(error).not.toBeInstanceOf(EngineRejected)
    expect(await inspect(id)).toMatchObject({ State: { Status: 'running' } })
  })

  test('a name that is not one cannot leave its place in the question', async () => {
    const { job } = await bench.trial('exit 0')
    for (const engineName of ['../x', 'a/b', 'a?name=b', 'a b']) {
      const outcome = await bench.backend.create({ ...job, engineName }, undefined, call()).catch((thrown: unknown) => thrown)
      expect(outcome).toBeInstanceOf(Error)
      expect(await bench.backend.find(engineName, call())).toEqual([])
    }
  })
})
