import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import type { Found } from '../../../lib/backends/contract.ts'
import { Folder } from '../../../lib/backends/local/folder.ts'
import { observe } from '../../../lib/backends/local/observe.ts'
import { testIf } from '../../support/skip.ts'
import { call, ended, job, look, makeSite, names, put, sh, start, until, written } from './site.ts'
import type { Site } from './site.ts'

let site: Site
beforeEach(async () => void (site = await makeSite()))
afterEach(async () => {
  for (const ref of (await names(site.jobs)).filter((name) => !name.startsWith('.'))) {
    // What a test has made unreadable can no longer be removed; nothing runs there.
    await until(() => site.backend.remove(ref, call()).catch(() => 'gone'), (answer) => answer === 'gone')
  }
  await site.close()
})

const state = (phase: string, more: object = {}) => expect.objectContaining({ kind: 'state', phase, ...more }) as object

describe('how a job ends', () => {
  test.each([
    ['exit 0', sh('exit 0'), { reason: 'Completed', exitCode: 0 }],
    ['exit 3', sh('exit 3'), { reason: 'NonZeroExit', exitCode: 3 }],
    ['exit 137', sh('exit 137'), { reason: 'NonZeroExit', exitCode: 137 }],
    ['a signal', sh('kill -SEGV $$'), { reason: 'KilledBySignal', exitCode: 139, message: 'killed by SIGSEGV' }],
    ['no such program in PATH', ['no-such-program'], { reason: 'CommandNotFound', exitCode: 127 }],
    ['no such path', ['/no/such/program'], { reason: 'CommandNotFound', exitCode: 127 }],
    ['a directory', ['/'], { reason: 'NotExecutable', exitCode: 126 }],
    ['a word that is too long', ['true', 'x'.repeat(200_000)], { reason: 'StartFailed' }],
    ['a NUL in a word', ['true', 'a\0b'], { reason: 'StartFailed' }],
  ])('%s', async (_name, argv, expected) => {
    expect(await ended(site.backend, await start(site.backend, job(argv)))).toMatchObject({ phase: 'ended', ...expected })
  })

  test('a file that is not executable', async () => {
    const file = join(site.root, 'data')
    await writeFile(file, 'exit 0', { mode: 0o600 })
    expect(await ended(site.backend, await start(site.backend, job([file])))).toMatchObject({ reason: 'NotExecutable', exitCode: 126 })
  })

  test('stdout and stderr are one log, in the order of their writing', async () => {
    const ref = await start(site.backend, job(sh('for i in 1 2 3; do echo out $i; echo err $i >&2; done')))
    await ended(site.backend, ref)
    const { bytes } = await site.backend.logs(ref, { tailLines: 100, maxBytes: 1000 }, call())
    expect(Buffer.from(bytes).toString()).toBe('out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n')
  })

  test('what a job leaves running ends with it, in another group too', async () => {
    const tick = `while :; do echo tick >>${site.root}/ticks; sleep 0.05; done`
    const script = `set -m; (trap '' HUP TERM; ${tick}) & while [ ! -s ${site.root}/ticks ]; do sleep 0.05; done; exit 0`
    const ref = await start(site.backend, job(sh(script)))
    expect(await ended(site.backend, ref)).toMatchObject({ reason: 'Completed' })
    const before = await written(join(site.root, 'ticks'))
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(await written(join(site.root, 'ticks'))).toBe(before)
  })
})

describe('what a job is given', () => {
  const envOf = async (backend = site.backend, env: string[] = []) => {
    const ref = await start(backend, job(['env', '-0'], { env }))
    await ended(backend, ref)
    const { bytes } = await backend.logs(ref, { tailLines: 1000, maxBytes: 1 << 20 }, call())
    return { ref, env: Buffer.from(bytes).toString().split('\0').filter(Boolean).sort() }
  }

  test('PATH and its own environment, and nothing of the gateway', async () => {
    const { env } = await envOf(site.backend, ['A=1=2', 'B=', 'ODD NAME=x\ny', 'IN=/share/incoming:/share/incomingX', '__proto__=p'])
    const path = env.find((entry) => entry.startsWith('PATH=')) ?? ''
    expect(env).toEqual(['A=1=2', 'B=', 'ODD NAME=x\ny', `IN=${site.storebase}/in:/share/incomingX`, '__proto__=p', path].sort())
    expect(path.split(/[=:]/)).toEqual(expect.arrayContaining(['/usr/bin', '/bin', process.execPath.replace(/\/[^/]*$/, '')]))
  })

  testIf(process.platform === 'linux', 'only Linux has /proc', 'nor can it read that of its runner', async () => {
    process.env.CONTRACT_SECRET = 'of the gateway'
    const ref = await start(site.backend, job(sh('tr "\\0" "\\n" </proc/$PPID/environ; echo end')))
    await ended(site.backend, ref)
    delete process.env.CONTRACT_SECRET
    const { bytes } = await site.backend.logs(ref, { tailLines: 1000, maxBytes: 1 << 20 }, call())
    expect(Buffer.from(bytes).toString()).toBe('end\n')
  })

  test('the environment of the options, which the job may override', async () => {
    const { env } = await envOf(site.open({ environment: { PATH: '/bin:/usr/bin', LANG: 'C.UTF-8', TMPDIR: '/var/tmp' } }), ['TMPDIR=/tmp'])
    expect(env).toEqual(['LANG=C.UTF-8', 'PATH=/bin:/usr/bin', 'TMPDIR=/tmp'])
  })

  test('a directory of its own to work in, and the real ones of its mounts', async () => {
    await rm(join(site.storebase, 'in'), { recursive: true })
    await mkdir(join(site.storebase, 'real'))
    await symlink('real', join(site.storebase, 'in'))
    const ref = await start(site.backend, job(['sh', '-c', 'pwd; printf "%s\\n" "$@"', 'sh', '--dir=/share/incoming', '/share/outgoing/x']))
    await ended(site.backend, ref)
    const { bytes } = await site.backend.logs(ref, { tailLines: 100, maxBytes: 10_000 }, call())
    expect(Buffer.from(bytes).toString()).toBe(`${site.jobs}/${ref}/work\n--dir=${site.storebase}/real\n${site.storebase}/out/x\n`)
  })
})

describe('what is refused, by its field', () => {
  const without = (path: string) => rm(path, { recursive: true }).then(() => path)
  const refusedFields = async (change: (root: string) => Promise<unknown>, argv: string[] = sh('exit 0')) => {
    await change(site.storebase)
    const wanted = job(argv)
    const outcomes = [site.backend.check?.(wanted.spec, call()), site.backend.create(wanted, undefined, call())]
    const errors = await Promise.all(outcomes.map((outcome) => Promise.resolve(outcome).then(() => 'accepted', (error: unknown) => error)))
    for (const error of errors) expect(error).toBeInstanceOf(EngineRejected)
    expect(errors[0]).toMatchObject({ fields: (errors[1] as EngineRejected).fields })
    expect((await names(site.jobs)).filter((name) => !name.startsWith('.'))).toEqual([])
    return (errors[0] as EngineRejected).fields
  }

  test.each<[string, (root: string) => Promise<unknown>, Record<string, RegExp>]>([
    ['a missing directory', (root) => without(join(root, 'in')), { input_dir: /'in' does not exist/ }],
    ['both', (root) => rename(root, `${root}2`).then(() => mkdir(root)), { input_dir: /not exist/, output_dir: /not exist/ }],
    ['a file', (root) => without(join(root, 'out')).then((path) => writeFile(path, '')), { output_dir: /not a directory/ }],
    ['a link that leads out', (root) => without(join(root, 'in')).then((path) => symlink('/etc', path)), { input_dir: /out of the store/ }],
  ])('%s', async (_name, change, fields) => {
    const found = await refusedFields(change)
    expect(found).toEqual(Object.fromEntries(Object.entries(fields).map(([field, text]) => [field, expect.stringMatching(text) as string])))
  })

  test('nothing to run', async () => {
    expect(Object.keys((await refusedFields(async () => undefined, [])) ?? {})).toEqual(['entrypoint'])
  })

  testIf(process.getuid?.() !== 0, 'root may write anywhere', 'an output that cannot be written to', async () => {
    expect(Object.keys((await refusedFields((base) => chmod(join(base, 'out'), 0o500))) ?? {})).toEqual(['output_dir'])
  })
})

describe('what cannot be read is unknown, and left alone', () => {
  test.each([
    ['the job', 'job.json', '{'],
    ['the job, of another schema', 'job.json', { owner: { deployment: 'ours' } }],
    ['the claim', 'claim.json', 'x'],
    ['the end', 'end.json', '{"kind":"new"}'],
  ])('%s', async (_name, file, content) => {
    const ref = await start(site.backend, job(sh('exit 0')))
    await ended(site.backend, ref)
    await put(site, ref, file, content)
    expect(await look(site.backend, ref)).toEqual({ kind: 'unknown', error: expect.stringMatching(/./) as string })
    await expect(site.backend.remove(ref, call())).rejects.toThrow()
    expect(await names(site.jobs)).toContain(ref)
  })

  test('a folder whose owner cannot be read is not in the list, and does not hide the others', async () => {
    const broken = await site.backend.create(job(sh('exit 0')), undefined, call())
    const whole = await site.backend.create(job(sh('exit 0')), undefined, call())
    await put(site, broken, 'job.json', '{')
    const events: string[] = []
    const seen: Found[] = []
    for await (const one of site.backend.list({ ...call(), log: (event) => events.push(event) })) seen.push(one)
    expect(seen.map(({ ref }) => ref)).toEqual([whole])
    expect(events).toEqual(['local.unreadable'])
  })

  test('without the directory nothing is absent', async () => {
    const ref = await site.backend.create(job(sh('exit 0')), undefined, call())
    await rename(site.jobs, `${site.jobs}.away`)
    expect(await look(site.backend, ref)).toMatchObject({ kind: 'unknown' })
    await expect(site.backend.remove(ref, call())).rejects.toThrow()
    await rename(`${site.jobs}.away`, site.jobs)
    expect(await look(site.backend, ref)).toEqual({ kind: 'inert' })
  })

  const strange = ['', '..', '../storebase', '.making', 'job-1.ABCDEF', 'job-1.0123456789abcdef0123/../x', `job-1.${'0'.repeat(20)}`]
  test.each(strange)('a ref that was never given is absent: %j', async (ref) => {
    await site.backend.health(call())
    const before = await readdir(site.root, { recursive: true })
    expect(await look(site.backend, ref)).toEqual({ kind: 'absent' })
    await site.backend.release(ref, 1, call())
    expect(await site.backend.stop(ref, call())).toBe('gone')
    expect(await site.backend.remove(ref, call())).toBe('gone')
    expect((await readdir(site.root, { recursive: true })).sort()).toEqual(before.sort())
  })
})

test('a folder that was moved away during a look is absent, whatever was read of it before', async () => {
  await site.backend.health(call())
  expect(await observe(new Folder(join(site.jobs, 'job-0.moved'), 'ours'))).toEqual({ kind: 'absent' })
})

describe('the directory is kept tidy', () => {
  test('a removed job leaves nothing, and what an earlier remove or create left goes', async () => {
    const ref = await start(site.backend, job(sh('mkdir -p deep/er; echo x >deep/er/file')))
    await ended(site.backend, ref)
    expect(await site.backend.remove(ref, call())).toBe('gone')
    await mkdir(join(site.jobs, '.removed', 'job-0.x', 'work'), { recursive: true })
    const inert = await site.backend.create(job(sh('exit 0')), undefined, call())
    for await (const found of site.backend.list(call())) expect(found).toMatchObject({ ref: inert, observation: { kind: 'inert' } })
    expect(await names(site.jobs)).toEqual(['.making', inert])
    expect(await names(join(site.jobs, '.making'))).toEqual([])
  })

  test('stop leaves the folder with its claim; a copy of a create that is late is another job', async () => {
    const wanted = job(sh(`echo run >>${site.root}/runs`))
    const ref = await site.backend.create(wanted, undefined, call())
    expect(await site.backend.stop(ref, call())).toBe('gone')
    const late = await site.backend.create(wanted, undefined, call())
    expect(await site.backend.find(wanted.engineName, call())).toHaveLength(2)
    await site.backend.release(ref, 1, call())
    expect([await look(site.backend, ref), await look(site.backend, late)]).toEqual([state('withdrawn'), { kind: 'inert' }])
    expect(await names(site.root)).not.toContain('runs')
  })

  test('the health of a directory that cannot be made is an error', async () => {
    expect(await site.backend.health(call())).toMatchObject({ version: expect.stringContaining(process.version) as string })
    await writeFile(join(site.root, 'file'), '')
    await expect(site.open({ directory: join(site.root, 'file', 'jobs') }).health(call())).rejects.toThrow()
  })
})

test('a call that was aborted makes and releases nothing', async () => {
  const aborted = { ...call(), signal: AbortSignal.abort() }
  await expect(site.backend.create(job(sh('exit 0')), undefined, aborted)).rejects.toThrow()
  const ref = await site.backend.create(job(sh('exit 0')), undefined, call())
  await expect(site.backend.release(ref, 1, aborted)).rejects.toThrow()
  expect(await look(site.backend, ref)).toEqual({ kind: 'inert' })
})

test('a runner that cannot run is an error, and the job stays inert', async () => {
  const ref = await site.backend.create(job(sh('exit 0')), undefined, call())
  await expect(site.open({ runner: join(site.root, 'none.mjs') }).release(ref, 1, call())).rejects.toThrow(/before it had the job/)
  expect(await look(site.backend, ref)).toEqual({ kind: 'inert' })
})
