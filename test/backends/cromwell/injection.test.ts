import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend, EngineJob } from '../../../lib/backends/contract.ts'
import { parseRef } from '../../../lib/backends/cromwell/ref.ts'
import type { JobSpec, Mount } from '../../../lib/jobs/types.ts'
import { skip } from '../../support/skip.ts'
import { call, driver, job, seen, until } from './jobs.ts'
import { StandIn, WITHOUT_SLURM, WITHOUT_STAND_IN } from './stand-in.ts'

/** Text that makes a file where a shell evaluates it, or shows a file's content where WDL does. */
const payloads = (canary: string): string[] => [
  `$(touch ${canary}/a)`,
  `\`touch ${canary}/b\``,
  `'; touch ${canary}/c; '`,
  `"; touch ${canary}/d; "`,
  `\n touch ${canary}/e\n`,
  `x && touch ${canary}/f`,
  `| touch ${canary}/g`,
  '~{read_string("/etc/hostname")}',
  '${read_string("/etc/hostname")}',
  "' sharedir: '/etc",
  `>>> runtime { docker: 'x' } command <<< touch ${canary}/h`,
  `SCRIPT_PREAMBLE INSTANTIATED_COMMAND ENVIRONMENT_VARIABLES`,
  `\\044\\050touch ${canary}/i\\051`,
]

describe.each(['host', 'slurm'] as const)('nothing that a caller sends is evaluated, by the server or by a node (%s)', (kind) => {
  const without = kind === 'slurm' ? WITHOUT_SLURM : WITHOUT_STAND_IN
  if (without !== undefined) {
    skip('by injection', without)
    return
  }
  let server: StandIn
  let backend: Backend
  let root: string
  let canary: string

  beforeAll(async () => {
    server = await StandIn.start('modern', kind)
    root = await mkdtemp(join(tmpdir(), 'pman-inject-'))
    await chmod(root, 0o777)
    canary = join(root, 'canary')
    await mkdir(canary)
    await chmod(canary, 0o777)
    backend = driver(server.url, {}, root)
  })
  afterAll(async () => {
    await server.close()
    await rm(root, { recursive: true, force: true })
  })

  /** Runs a job that writes down its words and some of its environment; what was touched meanwhile. */
  async function run(change: Partial<JobSpec>, more: Partial<EngineJob> = {}): Promise<{ words: string[]; touched: string[] }> {
    const script = `for word; do printf '%s\\0' "$word"; done >/share/outgoing/words; printf '%s\\0' "$V" >>/share/outgoing/words`
    const name = `out-${Math.random().toString(36).slice(2)}`
    await mkdir(join(root, name, 'outgoing'), { recursive: true })
    await mkdir(join(root, name, 'incoming'))
    await chmod(join(root, name, 'outgoing'), 0o777)
    const mounts: Mount[] = [
      { field: 'input_dir', source: `${name}/incoming`, target: '/share/incoming', readOnly: true },
      { field: 'output_dir', source: `${name}/outgoing`, target: '/share/outgoing', readOnly: false },
    ]
    const ref = await backend.create(job({ entrypoint: ['sh', '-c', script, 'sh'], mounts, ...change }, more), undefined, call())
    await seen(backend, ref, 'inert')
    await backend.release(ref, 1, call())
    expect(await seen(backend, ref, 'ended')).toMatchObject({ exitCode: 0 })
    expect((await server.workflow(parseRef(ref)?.id ?? '')).launchCount).toBe(1)
    const words = await readFile(join(root, name, 'outgoing', 'words'), 'utf8')
    return { words: words.split('\0').slice(0, -1), touched: await readdir(canary) }
  }

  test('args and env', async () => {
    const hostile = payloads(canary)
    const { words, touched } = await run({ args: hostile, env: [`V=${hostile.join(' ')}`] })
    expect(words).toEqual([...hostile, hostile.join(' ')])
    expect(touched).toEqual([])
  }, 60_000)

  test('jid, auid, the names of variables, and the labels of the site', async () => {
    const text = payloads(canary).join(' ')
    const owner = { ...job().owner, jid: text.slice(0, 255) }
    const { touched } = await run({ auid: text, env: [`${text.replaceAll('=', '')}=1`, 'V=1'] }, { owner, siteLabels: { [text]: text } })
    expect(touched).toEqual([])
    const found = []
    for await (const one of backend.list(call())) found.push(one.labels?.jid)
    expect(found).toContain(owner.jid)
  }, 60_000)

  test('image and directories: refused before anything is sent', async () => {
    for (const text of payloads(canary)) {
      const mounts: Mount[] = [{ field: 'output_dir', source: text, target: '/share/outgoing', readOnly: false }]
      await expect(backend.create(job({ image: text }), undefined, call())).rejects.toMatchObject({ fields: { image: expect.any(String) as string } })
      await expect(backend.create(job({ mounts }), undefined, call())).rejects.toMatchObject({ name: 'EngineRejected' })
    }
    expect(await readdir(canary)).toEqual([])
  })

  test('the payloads do what they say, where they are evaluated', async () => {
    const ref = await backend.create(job({ entrypoint: ['sh', '-c', `touch ${canary}/a; echo ${payloads(canary)[1] ?? ''}`] }), undefined, call())
    await seen(backend, ref, 'inert')
    await backend.release(ref, 1, call())
    await seen(backend, ref, 'ended')
    await until(() => readdir(canary), (names) => names.length === 2)
  }, 60_000)
})
