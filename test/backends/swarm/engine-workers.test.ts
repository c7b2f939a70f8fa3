import { jest } from '@jest/globals'
import { workerIndex } from '../../../lib/backends/swarm/template.ts'
import { call } from '../../contract/backend/bench.ts'
import { describeOnSwarm } from './engine.ts'

jest.setTimeout(120_000)

describeOnSwarm('several workers on a real swarm', ({ bench, trial, ask, idOf }) => {
  const log = async (ref: string, tailLines = 1000, maxBytes = 1 << 20) => {
    const { bytes, truncated } = await bench.backend.logs(ref, { tailLines, maxBytes }, call())
    return { text: Buffer.from(bytes).toString('latin1'), truncated }
  }

  test('each is told its index from 0, and how many there are', async () => {
    const made = await trial('echo "$PMAN_WORKER_INDEX of $NUMBER_OF_WORKERS" >>/share/outgoing/told', { workers: 12 })
    const { end } = await bench.run(made)
    expect(end).toMatchObject({ reason: 'Completed', exitCode: 0 })
    const told = (await made.output('told')).toString().trim().split('\n')
    expect(told.sort()).toEqual(Array.from({ length: 12 }, (_, index) => `${index} of 12`).sort())
    expect(await bench.runsAfterAll(made)).toBe(12)
  })

  // Slots that no test wants to make tasks for: the engine checks the template of a service without any.
  test('the template of a thousand workers is one that the engine takes', async () => {
    const made = await trial('exit 0', { workers: 1000 })
    expect(workerIndex(1000)).toContain('{{')
    expect(await bench.look(await bench.create(made))).toEqual({ kind: 'inert' })
  })

  test('one of three fails: the job fails by it, once all have ended', async () => {
    const script = '[ "$PMAN_WORKER_INDEX" = 1 ] && exit 5; while [ ! -e /share/outgoing/go ]; do sleep 0.1; done'
    const made = await trial(script, { workers: 3 })
    const ref = await bench.start(made)
    await bench.until(
      () => ask('GET', '/tasks', { filters: JSON.stringify({ name: [made.job.engineName] }) }),
      ({ json }) => (json as { Status: { State: string } }[]).some(({ Status }) => Status.State === 'failed'),
    )
    expect(await bench.look(ref)).toMatchObject({ kind: 'state', phase: 'running' })
    await made.put('go')
    const message = expect.stringMatching(/^worker 1: .*\(5\)$/) as string
    expect(await bench.end(ref)).toMatchObject({ reason: 'NonZeroExit', exitCode: 5, message })
    expect(await bench.runsAfterAll(made)).toBe(3)
  })

  test('the logs of all, in their order, each line with its worker', async () => {
    const made = await trial('sleep 0.$((3 - PMAN_WORKER_INDEX)); echo "a $PMAN_WORKER_INDEX"; printf "no end"', { workers: 3 })
    const { ref } = await bench.run(made)
    const of = (index: number) => `worker ${index}: a ${index}\nworker ${index}: no end\n`
    expect(await log(ref)).toEqual({ text: [0, 1, 2].map(of).join(''), truncated: false })
    expect(await log(ref, 3)).toEqual({ text: [0, 1, 2].map((index) => `worker ${index}: no end\n`).join(''), truncated: true })
  })

  test('the log of one worker has no prefix, and no carriage returns', async () => {
    const { ref } = await bench.run(await trial('echo one; echo two'))
    expect(await log(ref)).toEqual({ text: 'one\ntwo\n', truncated: false })
  })

  test('the log of a container that somebody has deleted cannot be read, and is not taken for empty', async () => {
    const { ref } = await bench.run(await trial('echo lost'))
    const filters = JSON.stringify({ label: [`com.docker.swarm.service.id=${idOf(ref)}`] })
    const { json } = await ask('GET', '/containers/json', { all: 'true', filters })
    for (const { Id } of json as { Id: string }[]) await ask('DELETE', `/containers/${Id}`)
    await expect(log(ref)).rejects.toThrow('its container was deleted')
  })
})
