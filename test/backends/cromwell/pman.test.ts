import type { Backend } from '../../../lib/backends/contract.ts'
import { errorText } from '../../../lib/errors.ts'
import { multipart } from '../../../lib/engines/cromwell-api.ts'
import { describeIf } from '../../support/skip.ts'
import { call, driver, job, look, seen, until } from './jobs.ts'
import { StandIn, WITHOUT_STAND_IN } from './stand-in.ts'

/** A workflow in the manner of pman v4 to v6.3.1: no outputs, the jid as its one label. */
const wdl = (command: string): string => `version 1.0
task plugin_instance {
    command {
        ${command}
    } #ENDCOMMAND
    runtime {
        docker: 'docker.io/fnndsc/pl-office-convert:0.0.1'
        cpu: '2'
        memory: '4195M'
        gpu_limit: '0'
        number_of_workers: '1'
        timelimit: '5'
    }
}
workflow ChRISJob {
    call plugin_instance
}
`

describeIf(WITHOUT_STAND_IN === undefined, WITHOUT_STAND_IN ?? '', "pman's own old workflows", () => {
  const bounds = { tailLines: 10, maxBytes: 1000 }
  let server: StandIn
  let backend: Backend
  beforeAll(async () => {
    server = await StandIn.start('74')
    backend = driver(server.url)
  })
  afterAll(() => server.close())

  async function old(jid: string, command: string): Promise<string> {
    const form = multipart({ workflowSource: wdl(command), labels: JSON.stringify({ 'org.chrisproject.pman.name': jid }) }, 'boundary-of-pman')
    const { id } = (await server.api('', { method: 'POST', ...form })) as { id: string }
    return id
  }

  test.each([
    ['true', { reason: 'Completed', exitCode: 0 }],
    ['exit 3', { reason: 'NonZeroExit', exitCode: 3 }],
    ['exit 137', { reason: 'KilledBySignal' }],
    ['kill -9 $$', { reason: 'HostLost' }],
  ])('%s: its end is read by its id, and it is found by its jid', async (command, expected) => {
    const jid = `old ${command}`
    const id = await old(jid, command)
    const end = await seen(backend, id, 'ended')
    expect(end).toMatchObject(expected)
    expect(await backend.find(jid, call())).toEqual([{ engineName: jid, ref: id, observation: end }])
    expect(await backend.inherited?.(jid, call())).toEqual([{ engineName: jid, ref: id, observation: end }])
    expect(await backend.inherited?.(`${jid} of nobody`, call())).toEqual([])
    // Cromwell keeps pman's logs in files alone: it says where.
    const refused = () => backend.logs(id, bounds, call()).then(() => '', errorText)
    await until(refused, (words) => words.includes('/call-plugin_instance/execution/stdout'))
  })

  test('its log is read where the gateway sees the executions', async () => {
    const seeing = driver(server.url, { executions: server.executions })
    const id = await old('old-log', 'echo first; echo second')
    await seen(seeing, id, 'ended')
    const log = async () => seeing.logs(id, bounds, call()).then(({ bytes }) => Buffer.from(bytes).toString(), errorText)
    await until(log, (text) => text === 'first\nsecond\n')
  })

  test('none is ever released, stopped, removed, or taken for this deployment\'s', async () => {
    const id = await old('old-running', 'sleep 3')
    await seen(backend, id, 'running')
    await backend.release(id, 1, call())
    expect([await backend.stop(id, call()), await backend.remove(id, call())]).toEqual(['gone', 'gone'])
    for await (const one of backend.list(call())) expect(one.ref).not.toBe(id)
    expect(await seen(backend, id, 'ended')).toMatchObject({ reason: 'Completed' })
    const ours = `${job().engineName}.${id}`
    expect(await look(backend, ours)).toEqual({ kind: 'absent' })
    expect(await until(() => backend.stop(ours, call()), (answer) => answer === 'gone')).toBe('gone')
    expect(await seen(backend, id, 'ended')).toMatchObject({ reason: 'Completed' })
  })
})
