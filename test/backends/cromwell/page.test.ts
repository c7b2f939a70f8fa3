import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runtimeOf } from '../../../lib/backends/cromwell/runtime.ts'
import type { Mount } from '../../../lib/jobs/types.ts'
import { blocks, read } from '../../docs/pages.ts'
import { testIf } from '../../support/skip.ts'
import { call, driver, job, seen } from './jobs.ts'
import { StandIn, WITHOUT_STAND_IN } from './stand-in.ts'

const examples = blocks(read('docs/engines/cromwell.md'), 'hocon')

/** What an example says of a key: a text in quotes, or in three of them. */
function textOf(example: string, key: string): string {
  const [, long, short] = new RegExp(`^\\s*${key} = (?:"""([^]*?)"""|"((?:[^"\\\\]|\\\\.)*)")`, 'm').exec(example) ?? []
  const text = long ?? short?.replaceAll('\\\\', '\\')
  if (text === undefined) throw new Error(`the example has no ${key}`)
  return text
}

/** The attributes that an example declares: name, whether it may be missing, and whether it has a default. */
const declared = (example: string) =>
  [...textOf(example, 'runtime-attributes').matchAll(/^\s*(String|Int)(\??) (\w+)( = .+)?$/gm)].map(([, type, optional, name = '', byDefault]) => ({
    name: name === 'memory_mb' ? 'memory' : name,
    type,
    needed: optional === '' && byDefault === undefined,
  }))

const mounts: Mount[] = [
  { field: 'input_dir', source: 'key/incoming', target: '/share/incoming', readOnly: true },
  { field: 'output_dir', source: 'key/outgoing', target: '/share/outgoing', readOnly: false },
]
const limits = { cpuLimit: 1000, memoryLimit: 1, gpuLimit: 1, timeLimit: 60, workers: 1, mounts }
const everything = runtimeOf(job(limits, { user: { uid: 1, gid: 1 } }), { storebase: '/srv/chris', partition: 'p' })

test('there are examples for SLURM and for Docker', () => expect(examples).toHaveLength(2))

describe.each(examples.map((example) => ({ name: textOf(example, 'actor-factory').split('.').at(-1) ?? '', example })))('$name', ({ example }) => {
  const attributes = declared(example)

  test('declares every attribute that is sent, and needs none that may be missing', () => {
    const sent = Object.keys(everything).filter((name) => name !== 'maxRetries')
    expect(attributes.map(({ name }) => name).sort()).toEqual(sent.sort())
    expect(attributes.filter(({ needed }) => needed)).toEqual([])
    for (const { name, type } of attributes) if (type === 'Int') expect(everything[name]).toMatch(/^\d+M?$/)
  })

  test.each(['submit', 'submit-docker', 'kill-docker'])('%s is shell', (key) => {
    const names = new Set([...attributes.map(({ name }) => name), 'memory_mb'])
    const own = ['job_name', 'job_id', 'cwd', 'out', 'err', 'script', 'job_shell', 'docker_cwd', 'docker_script', 'docker_cid']
    const command = textOf(example, key).replace(/\$\{([^}]*)\}/g, (_whole, expression: string) => {
      const [name = ''] = /\b[a-z_]+\b(?![^']*'[^']*$)/.exec(expression.replace(/'[^']*'/g, '')) ?? []
      expect([...names, ...own]).toContain(name)
      return 'x'
    })
    expect(execFileSync('bash', ['-n', '-c', command]).toString()).toBe('')
  })

  test('confirms an abort, and gives up a job that is lost', () => {
    expect(textOf(example, 'kill-docker')).toMatch(/scancel|docker kill/)
    expect(example).toMatch(/^\s*exit-code-timeout-seconds = \d+$/m)
  })

  testIf(WITHOUT_STAND_IN === undefined, WITHOUT_STAND_IN ?? '', 'runs jobs, with all attributes and with none', async () => {
    const needed = attributes.map(({ name, needed: mark }) => (mark ? `${name}!` : name))
    const server = await StandIn.start('modern', 'host', {}, needed)
    const root = await mkdtemp(join(tmpdir(), 'pman-page-'))
    try {
      for (const { source } of mounts) await mkdir(join(root, source), { recursive: true })
      const backend = driver(server.url, { partition: 'p' }, root)
      for (const one of [job(limits, { user: { uid: 1, gid: 1 } }), job()]) {
        const ref = await backend.create(one, undefined, call())
        await seen(backend, ref, 'inert')
        await backend.release(ref, 1, call())
        expect(await seen(backend, ref, 'ended')).toMatchObject({ reason: 'Completed' })
      }
    } finally {
      await server.close()
      await rm(root, { recursive: true, force: true })
    }
  }, 60_000)
})
