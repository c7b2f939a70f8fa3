import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startStack, type Stack } from '../../infra/local/stack.ts'
import { pfcon, pythonJson, type Answer, type Pfcon } from './pfcon.ts'
import { v3, v4, v6 } from './requests.ts'

const ECHO = `
import { appendFileSync, writeFileSync } from 'node:fs'
const out = process.argv.at(-1)
appendFileSync(out + '/runs', 'run\\n')
writeFileSync(out + '/argv.json', JSON.stringify(process.argv.slice(2)))
writeFileSync(out + '/env.json', JSON.stringify(process.env))
console.log('ran')
`

let root: string
let storebase: string
let stack: Stack
let client: Pfcon
let echo: string
const answers: { sent: string; status: number }[] = []

/** Every answer of the suite passes here, so that none goes by unseen. */
function watched(pfcon: Pfcon): Pfcon {
  const watch = <A extends unknown[]>(call: (...args: A) => Promise<Answer>) => async (...args: A): Promise<Answer> => {
    const answer = await call(...args)
    answers.push({ sent: JSON.stringify(args).slice(0, 200), status: answer.status })
    return answer
  }
  return { run: watch(pfcon.run), status: watch(pfcon.status), delete: watch(pfcon.delete), send: watch(pfcon.send), raw: watch(pfcon.raw) }
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'pman-e2e-'))
  storebase = join(root, 'data')
  mkdirSync(storebase)
  echo = join(root, 'echo.mjs')
  writeFileSync(echo, ECHO)
  stack = await startStack({
    stateDir: join(root, 'state'),
    env: { PATH: process.env.PATH, CONTAINER_ENV: 'local', STORAGE_TYPE: 'host', STOREBASE: storebase },
  })
  client = watched(pfcon(stack.url, stack.token))
}, 120_000)

afterAll(async () => {
  await stack.stop()
  rmSync(root, { recursive: true, force: true })
}, 60_000)

function directories(jid: string): void {
  for (const name of ['incoming', 'outgoing']) mkdirSync(join(storebase, jid, name), { recursive: true })
}
const output = (folder: string, file: string): string => readFileSync(join(storebase, folder, file), 'utf8')
const runs = (folder: string): number => output(folder, 'runs').split('\n').filter((line) => line === 'run').length
const words = (folder: string): string[] => JSON.parse(output(folder, 'argv.json')) as string[]

type Job = Record<'jid' | 'image' | 'cmd' | 'status' | 'message' | 'timestamp' | 'logs', string>
const KEYS = ['jid', 'image', 'cmd', 'status', 'message', 'timestamp', 'logs']

function job(answer: Answer, status: number): Job {
  expect({ status: answer.status, text: answer.status === status ? '' : answer.text }).toEqual({ status, text: '' })
  expect(answer.headers['content-type']).toMatch(/^application\/json/)
  const body = answer.json() as Job
  expect(Object.keys(body)).toEqual(KEYS)
  for (const value of Object.values(body)) expect(typeof value).toBe('string')
  return body
}

async function finished(jid: string, prefix?: string): Promise<Job> {
  for (let tries = 0; tries < 300; tries++) {
    const body = job(await client.status(jid, prefix), 200)
    if (body.status.startsWith('finished')) return body
    expect(['notstarted', 'started']).toContain(body.status)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`job ${jid} has not finished`)
}

describe('as pfcon does', () => {
  test('hello', async () => {
    const answer = await client.send({ method: 'GET', path: '/api/v1/' })
    expect(answer.status).toBe(200)
    expect(answer.json()).toEqual({ server_version: expect.any(String) as string, container_env: 'local', storage_type: 'host' })
  })

  const shapes: Record<string, { jid: string; folder: string; request: (jid: string) => Record<string, unknown>; argv: string[] }> = {
    'pfcon 5.2.3': {
      jid: 'chris-jid-1',
      folder: 'chris-jid-1/outgoing',
      request: (jid) => v6(jid, [process.execPath, echo, '--flag', 'a b']),
      argv: ['--flag', 'a b'],
    },
    'pfcon 5.0.0': {
      jid: 'chris-jid-2',
      folder: 'key-chris-jid-2/outgoing',
      request: (jid) => v4(jid, [process.execPath, echo, '--dir', '/etc'], { args_path_flags: ['--dir'] }),
      argv: ['--dir', 'key-chris-jid-2/incoming'],
    },
    'pfcon 4.0.2': {
      jid: 'chris-jid-3',
      folder: 'key-chris-jid-3/outgoing',
      request: (jid) => v3(jid, { execshell: process.execPath, selfpath: root, selfexec: 'echo.mjs', cmd_args: `--name 'it is' --dir x` }),
      argv: ['--name', 'it is', '--dir', 'key-chris-jid-3/incoming'],
    },
  }
  test.each(Object.entries(shapes))('%s: submit, poll, log, output, delete, and the same jid at once again', async (_, { jid, folder, request, argv }) => {
    directories(folder.split('/')[0] ?? '')
    for (const round of [1, 2]) {
      const submitted = job(await client.run(request(jid)), 201)
      expect(submitted).toMatchObject({ jid, status: 'notstarted', timestamp: '0001-01-01T00:00:00Z', logs: '' })
      const done = await finished(jid)
      expect(done).toMatchObject({ status: 'finishedSuccessfully', logs: 'ran\n', cmd: submitted.cmd, image: submitted.image })
      expect(done.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
      const seen = words(folder).slice(0, -2).map((word) => word.replace(`${storebase}/`, ''))
      expect(seen).toEqual(argv)
      expect(runs(folder)).toBe(round)
      const deleted = await client.delete(jid)
      expect([deleted.status, deleted.text]).toEqual([204, ''])
      expect((await client.status(jid)).status).toBe(404)
    }
    expect((await client.delete(jid)).status).toBe(204)
  }, 60_000)

  test('20 jobs at once: each runs once', async () => {
    const jids = Array.from({ length: 20 }, (_, n) => `many-${n}`)
    jids.forEach(directories)
    const submitted = await Promise.all(jids.map((jid) => client.run(v6(jid, [process.execPath, echo]))))
    submitted.forEach((answer) => job(answer, 201))
    for (const jid of jids) expect((await finished(jid)).status).toBe('finishedSuccessfully')
    expect(jids.map((jid) => runs(`${jid}/outgoing`))).toEqual(jids.map(() => 1))
  }, 120_000)

  test('a jid whose last job takes its time to end: accepted at once, and run by dispatch after it', async () => {
    directories('stubborn')
    job(await client.run(v6('stubborn', ['/bin/sh', '-c', `trap '' TERM; echo begun; while :; do sleep 0.1; done`])), 201)
    while (job(await client.status('stubborn'), 200).logs !== 'begun\n') await new Promise((resolve) => setTimeout(resolve, 100))
    expect((await client.delete('stubborn')).status).toBe(204)
    const again = job(await client.run(v6('stubborn', [process.execPath, echo])), 201)
    expect(again).toMatchObject({ status: 'notstarted', message: expect.stringContaining('waits for the end') as string })
    expect(await finished('stubborn')).toMatchObject({ status: 'finishedSuccessfully' })
    expect(runs('stubborn/outgoing')).toBe(1)
  }, 60_000)

  test('the same submission again is the same job; another one is a conflict', async () => {
    directories('again')
    const request = v6('again', [process.execPath, echo])
    job(await client.run(request), 201)
    const both = await Promise.all([client.run(request), client.run({ ...request, number_of_workers: '1', cpu_limit: 1000.0 })])
    both.forEach((answer) => job(answer, 201))
    const other = await client.run({ ...request, args: ['--other'] })
    expect(other.status).toBe(409)
    expect((other.json() as { message: string }).message).toMatch(/args/)
    await finished('again')
    expect(job(await client.run(request), 201).status).toBe('finishedSuccessfully')
    expect(runs('again/outgoing')).toBe(1)
  }, 60_000)

  test('a failing job, its exit code, and its log as bytes', async () => {
    directories('fails')
    const script = `printf 'one\\ntwo\\n\\377\\n'; exit 3`
    job(await client.run(v6('fails', ['/bin/sh', '-c', script])), 201)
    const done = await finished('fails')
    expect(done).toMatchObject({ status: 'finishedWithError', logs: 'one\ntwo\n\ufffd\n', message: expect.stringContaining('exit code 3') as string })
    const logs = await client.send({ method: 'GET', path: '/api/v1/fails/logs/?tail=2' })
    expect([logs.status, logs.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8'])
    expect(logs.text).toBe('two\n\ufffd\n')
    expect((await client.send({ method: 'GET', path: '/api/v1/fails/logs?tail=x' })).status).toBe(400)
    expect((await client.send({ method: 'GET', path: '/api/v1/nobody/logs/' })).status).toBe(404)
  }, 60_000)

  test('a compute of its own path, and one that is not there', async () => {
    directories('elsewhere')
    const hello = await client.send({ method: 'GET', path: '/local/api/v1/' })
    expect([hello.status, hello.json()]).toEqual([200, expect.objectContaining({ container_env: 'local' })])
    job(await client.run(v6('elsewhere', [process.execPath, echo]), '/local/api/v1/'), 201)
    expect(await finished('elsewhere', '/default/api/v1/')).toMatchObject({ status: 'finishedSuccessfully' })
    expect((await client.delete('elsewhere', '/local/api/v1/')).status).toBe(204)
    expect((await client.send({ method: 'GET', path: '/nowhere/api/v1/' })).status).toBe(404)
    expect((await client.run(v6('elsewhere', ['x']), '/nowhere/api/v1/')).status).toBe(404)
  }, 60_000)
})

describe('accepted', () => {
  const jids = {
    '255 characters': 'j'.repeat(255),
    UTF8: 'Größe-日本-😀',
    spaces: ' a job  of mine ',
    punctuation: `~!@$^&*()_+-={}[]|:;"'<>,.`,
    '255 characters of four bytes': '😀'.repeat(255),
    'dots and dashes': '...--..',
  }
  test.each(Object.entries(jids))('jid: %s', async (name, jid) => {
    const folder = `jid-${name.replaceAll(' ', '-')}`
    directories(folder)
    const places = { input_dir: `${folder}/incoming`, output_dir: `${folder}/outgoing` }
    expect(job(await client.run(v6(jid, [process.execPath, echo], places)), 201).jid).toBe(jid)
    expect(await finished(jid)).toMatchObject({ jid, status: 'finishedSuccessfully' })
    expect((await client.delete(jid)).status).toBe(204)
    expect((await client.status(jid)).status).toBe(404)
  }, 60_000)

  const odd = ['', ' ', `it's`, '"', 'a\nb', '\t', '$(id)', '`id`', '$HOME', '\\', '*', '~', '!', '#', ';rm -rf x', '--', '-e', 'ü😀', '\u0001', '\r\n', '%s', '${x}']
  const argvs = { '5,000 short ones': Array.from({ length: 5000 }, (_, n) => `${n}`), 'hostile ones': odd, 'one of 100 KB': ['x'.repeat(100 * 1024)] }
  test.each(Object.entries(argvs))('args, %s, arrive byte for byte', async (name, args) => {
    const jid = `args-${name.replace(/\W/g, '-')}`
    directories(jid)
    const request = v6(jid, [process.execPath], { args: [echo, ...args], type: 'fs' })
    const submitted = job(await client.run(request), 201)
    expect(await finished(jid)).toMatchObject({ status: 'finishedSuccessfully', cmd: submitted.cmd })
    expect(words(`${jid}/outgoing`).slice(0, -1)).toEqual(args)
  }, 60_000)

  test('env, hostile values, arrives byte for byte, and nothing of the gateway’s own does', async () => {
    directories('env')
    const env = odd.map((value, n) => `V${n}=${value}`)
    job(await client.run(v6('env', [process.execPath, echo], { env: [...env, 'with space=1', 'V0=last'] })), 201)
    await finished('env')
    const seen = JSON.parse(output('env/outgoing', 'env.json')) as Record<string, string>
    odd.forEach((value, n) => expect(seen[`V${n}`]).toBe(n === 0 ? 'last' : value))
    expect(seen['with space']).toBe('1')
    expect(Object.keys(seen).filter((name) => /^(AWS|PMAN|JOBS_TABLE)/.test(name))).toEqual([])
  }, 60_000)

  test('input and output in one directory', async () => {
    directories('one')
    job(await client.run(v6('one', [process.execPath, echo], { input_dir: 'one/outgoing', output_dir: '/one/outgoing' })), 201)
    expect((await finished('one')).status).toBe('finishedSuccessfully')
    expect(runs('one/outgoing')).toBe(1)
  }, 60_000)
})

describe('refused: one clear 4xx that names the field, and no record', () => {
  const request = (more: Record<string, unknown>): Record<string, unknown> => v6('refused', [process.execPath, echo], more)
  const bad: [name: string, field: string, more: Record<string, unknown>][] = [
    ['no jid', 'jid', { jid: undefined }],
    ['empty jid', 'jid', { jid: '' }],
    ['a jid with a slash', 'jid', { jid: 'a/b' }],
    ['a jid of dots', 'jid', { jid: '..' }],
    ['a jid of 256 characters', 'jid', { jid: 'j'.repeat(256) }],
    ['a jid with NUL', 'jid', { jid: 'a\0b' }],
    ['a jid of ill-formed Unicode', 'jid', { jid: 'a\ud800' }],
    ['a boolean jid', 'jid', { jid: true }],
    ['a fraction as auid', 'auid', { auid: 1.5 }],
    ['no image', 'image', { image: '' }],
    ['an image that is none', 'image', { image: 'Not An Image' }],
    ['an image with a line end', 'image', { image: 'a\nb' }],
    ['args as text', 'args', { args: '-c' }],
    ['args with a number', 'args', { args: ['a', 1] }],
    ['args with NUL', 'args', { args: ['a\0'] }],
    ['args null', 'args', { args: null }],
    ['args of 200 KB', 'args', { args: ['x'.repeat(100_000), 'y'.repeat(100_000)] }],
    ['one arg of 128 KiB', 'args', { args: ['x'.repeat(128 * 1024)] }],
    ['no entrypoint', 'entrypoint', { entrypoint: [] }],
    ['entrypoint as an object', 'entrypoint', { entrypoint: { sh: 1 } }],
    ['env without =', 'env', { env: ['A'] }],
    ['env with an empty key', 'env', { env: ['=x'] }],
    ['env with NUL', 'env', { env: ['A=\0'] }],
    ['flags as text', 'args_path_flags', { args_path_flags: '--dir' }],
    ['workers 0', 'number_of_workers', { number_of_workers: 0 }],
    ['a negative limit', 'cpu_limit', { cpu_limit: -1 }],
    ['a limit with an exponent', 'memory_limit', { memory_limit: '1e3' }],
    ['a limit with underscores', 'memory_limit', { memory_limit: '1_000' }],
    ['a boolean limit', 'gpu_limit', { gpu_limit: true }],
    ['a type of its own', 'type', { type: 'xx' }],
    ['no output_dir', 'output_dir', { output_dir: undefined }],
    ['input_dir upwards', 'input_dir', { input_dir: '../x' }],
    ['input_dir upwards, inside', 'input_dir', { input_dir: 'a/../../x' }],
    ['output_dir with NUL', 'output_dir', { output_dir: 'a\0' }],
    ['input_dir that is not there', 'input_dir', { input_dir: 'not/there' }],
    ['input_dir that is a file', 'input_dir', { input_dir: 'file' }],
    ['input_dir through a link out of the storebase', 'input_dir', { input_dir: 'link' }],
    ['cmd_args with args', 'cmd_args', { cmd_args: 'x' }],
  ]
  beforeAll(async () => {
    directories('refused')
    writeFileSync(join(storebase, 'file'), '')
    const { symlinkSync } = await import('node:fs')
    symlinkSync('/etc', join(storebase, 'link'))
  })

  test.each(bad)('%s', async (_, field, more) => {
    const answer = await client.run(request(more))
    expect(answer.status).toBe(400)
    const { message } = answer.json() as { message: Record<string, string> }
    expect(Object.keys(message)).toEqual([field])
    expect(message[field]?.length).toBeGreaterThan(5)
    expect((await client.status('refused')).status).toBe(404)
  })

  test('many at once are told at once', async () => {
    const answer = await client.run(request({ jid: '', image: '', cpu_limit: -1 }))
    expect(Object.keys((answer.json() as { message: object }).message).sort()).toEqual(['cpu_limit', 'image', 'jid'])
  })

  test('an unbalanced quote in cmd_args', async () => {
    const answer = await client.run(v3('refused', { execshell: 'sh', selfpath: '', selfexec: 'x', cmd_args: `'oops` }))
    expect([answer.status, Object.keys((answer.json() as { message: object }).message)]).toEqual([400, ['cmd_args']])
  })

  const post = (body: string | Buffer, type: string) =>
    client.send({ method: 'POST', path: '/api/v1/', body, headers: { 'Content-Type': type } })
  const good = (): string => pythonJson(request({}))
  const bodies: [name: string, status: number, send: () => Promise<Answer>][] = [
    ['a form', 415, () => post('jid=x', 'application/x-www-form-urlencoded')],
    ['text', 415, () => post(good(), 'text/plain')],
    ['a type that only begins like JSON', 415, () => post(good(), 'application/jsonp')],
    ['no JSON', 400, () => post('{"jid":', 'application/json')],
    ['no body', 400, () => post('', 'application/json')],
    ['a list', 400, () => post('[]', 'application/json')],
    ['null', 400, () => post('null', 'application/json')],
    ['no UTF-8', 400, () => post(Buffer.from([0x7b, 0xff, 0x7d]), 'application/json')],
    ['100,000 brackets', 400, () => post('['.repeat(100_000), 'application/json')],
    ['deep JSON as a field', 400, () => post(`{"jid": ${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 'application/json')],
    ['deep JSON in a field that nobody reads', 400, () => post(`{"x": ${'[['.repeat(20_000)}${']]'.repeat(20_000)}, "jid": ""}`, 'application/json')],
    ['2 MB', 413, () => post(pythonJson(request({ x: 'x'.repeat(2_000_000) })), 'application/json')],
  ]
  test.each(bodies)('body: %s', async (_, status, go) => {
    const answer = await go()
    expect([answer.status, typeof (answer.json() as { message: unknown }).message]).toEqual([status, status === 400 ? 'object' : 'string'])
    expect((await client.status('refused')).status).toBe(404)
  })

  test.each(['application/json; charset=utf-8', 'application/vnd.api+json', 'APPLICATION/JSON'])('%s is taken', async (type) => {
    const answer = await post(pythonJson({ jid: '' }), type)
    expect([answer.status, 'jid' in (answer.json() as { message: object }).message]).toEqual([400, true])
  })
})

describe('paths, methods, access', () => {
  const cases: [method: string, path: string, status: number, allow: string | undefined][] = [
    ['GET', '/api/v1', 200, undefined],
    ['GET', '/', 404, undefined],
    ['GET', '/api', 404, undefined],
    ['GET', '/api/v2/', 404, undefined],
    ['GET', '/api/v1/nobody', 404, undefined],
    ['GET', '/api/v1/nobody/', 404, undefined],
    ['DELETE', '/api/v1/nobody/', 404, undefined],
    ['GET', '/api/v1/nobody/more/', 404, undefined],
    ['GET', '/api/v1/a%2Fb/', 404, undefined],
    ['GET', '/api/v1/%2e%2e/', 404, undefined],
    ['GET', `/api/v1/${'x'.repeat(2000)}/`, 404, undefined],
    ['PUT', '/api/v1/nobody/', 405, 'GET, DELETE, OPTIONS'],
    ['PATCH', '/local/api/v1/', 405, 'GET, POST, OPTIONS'],
    ['DELETE', '/api/v1/', 405, 'GET, POST, OPTIONS'],
    ['POST', '/api/v1/nobody/', 405, 'GET, DELETE, OPTIONS'],
    ['POST', '/api/v1/nobody/logs/', 405, 'GET, OPTIONS'],
    ['OPTIONS', '/api/v1/', 204, 'GET, POST, OPTIONS'],
    ['OPTIONS', '/nothing', 404, undefined],
  ]
  test.each(cases)('%s %s: %d', async (method, path, status, allow) => {
    const answer = await client.send({ method, path })
    expect(answer.status).toBe(status)
    expect(answer.headers.allow).toBe(allow)
    if (status === 204) expect(answer.text).toBe('')
    else expect(answer.json()).toBeDefined()
    expect(answer.headers.location).toBeUndefined()
  })

  test('HEAD is not taken for GET', async () => {
    const answer = await client.send({ method: 'HEAD', path: '/api/v1/' })
    expect([answer.status, answer.text]).toEqual([405, ''])
  })

  test.each(['GET /api/v1/', 'POST /api/v1/', 'GET /api/v1/x/', 'DELETE /api/v1/x/', 'GET /api/v1/x/logs/', 'GET /local/api/v1/'])(
    '%s: 401 without a token, 403 with one that nobody has',
    async (line) => {
      const [method = '', path = ''] = line.split(' ')
      expect((await client.raw({ method, path })).status).toBe(401)
      for (const header of ['Bearer constructor', 'Bearer __proto__', 'Bearer nobody', `Basic ${Buffer.from('pfcon:nobody').toString('base64')}`, 'Nonsense']) {
        expect((await client.raw({ method, path, headers: { Authorization: header } })).status).toBe(403)
      }
    },
  )

  test('Bearer is as good as Basic', async () => {
    const answer = await client.raw({ method: 'GET', path: '/api/v1/', headers: { Authorization: `Bearer ${stack.token}` } })
    expect(answer.status).toBe(200)
  })
})

describe('afterwards', () => {
  test('nothing was answered with a 5xx or a redirect', () => {
    expect(answers.length).toBeGreaterThan(100)
    expect(answers.filter(({ status }) => status >= 500 || (status >= 300 && status < 400))).toEqual([])
  })

  test('no error went uncaught, and no line of the log has the token or an env value', () => {
    const log = readFileSync(stack.logFile, 'utf8')
    const lines = log.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as { event: string; level: string })
    expect(lines.filter(({ event }) => event === 'answered').length).toBeGreaterThan(100)
    expect(lines.filter(({ event, level }) => event === 'uncaught' || level === 'error')).toEqual([])
    expect(log).not.toContain(stack.token)
    expect(log).not.toContain(Buffer.from(`pfcon:${stack.token}`).toString('base64'))
    expect(log).not.toContain('V0=last')
  })
})
