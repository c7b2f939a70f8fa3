import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startStack, type Stack } from '../../infra/local/stack.ts'
import { dockerApi, type DockerApi } from '../../lib/engines/docker-api.ts'
import { describeIf } from '../support/skip.ts'
import { pfcon, type Answer, type Pfcon } from './pfcon.ts'
import { v3, v4, v6 } from './requests.ts'

/** The engines that run images, by pman's variables; each is tried where `npm run test:engines` has told how to reach it. */
const ENGINES = [
  { engine: 'docker', type: 'docker', host: process.env.DOCKER_HOST, image: process.env.DOCKER_TEST_IMAGE },
  { engine: 'swarm', type: 'swarm', host: process.env.DOCKER_HOST, image: process.env.DOCKER_TEST_IMAGE },
  { engine: 'podman', type: 'podman', host: process.env.PODMAN_HOST, image: process.env.PODMAN_TEST_IMAGE },
  // What a pman operator has who uses Podman: pman knew it as Docker alone.
  { engine: 'podman', type: 'docker', host: process.env.PODMAN_HOST, image: process.env.PODMAN_TEST_IMAGE },
] as const
/** The one that this run is about; all that can be reached, without it. */
const { ENGINE } = process.env

const ECHO = `for out; do :; done
echo run >>"$out/runs"
for word; do printf '%s\\0' "$word"; done >"$out/argv"
echo ran
`

for (const { engine: name, type, host = '', image = '' } of ENGINES) {
  const wanted = host !== '' && (ENGINE ?? name) === name
  describeIf(wanted, 'no such engine was told of (npm run test:engines)', `pfcon, with ${type} on ${host.includes('podman') ? 'Podman' : 'Docker'}`, () => {
    let root: string
    let storebase: string
    let stack: Stack | undefined
    let client: Pfcon
    let api: DockerApi | undefined

    beforeAll(async () => {
      root = mkdtempSync(join(tmpdir(), 'pman-e2e-'))
      storebase = join(root, 'data')
      mkdirSync(storebase)
      stack = await startStack({
        stateDir: join(root, 'state'),
        env: {
          PATH: process.env.PATH,
          CONTAINER_ENV: type,
          DOCKER_HOST: host,
          STORAGE_TYPE: 'host',
          STOREBASE: storebase,
          CONTAINER_USER: `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`,
        },
      })
      client = pfcon(stack.url, stack.token)
      api = dockerApi({ baseUrl: 'http://localhost', socketPath: host.replace('unix://', '') })
    }, 120_000)

    afterAll(async () => {
      api?.close()
      await stack?.stop()
      rmSync(root, { recursive: true, force: true })
    }, 60_000)

    function directories(folder: string): void {
      for (const name of ['incoming', 'outgoing']) {
        mkdirSync(join(storebase, folder, name), { recursive: true })
        chmodSync(join(storebase, folder, name), 0o777)
      }
      writeFileSync(join(storebase, folder, 'incoming', 'echo.sh'), ECHO)
    }
    const output = (folder: string, file: string): string => readFileSync(join(storebase, folder, 'outgoing', file), 'utf8')

    type Job = Record<'jid' | 'status' | 'message' | 'logs', string>
    const job = (answer: Answer, status: number): Job => {
      expect({ status: answer.status, text: answer.status === status ? '' : answer.text }).toEqual({ status, text: '' })
      return answer.json() as Job
    }
    async function finished(jid: string): Promise<Job> {
      for (let tries = 0; tries < 600; tries++) {
        const body = job(await client.status(jid), 200)
        if (body.status.startsWith('finished')) return body
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      throw new Error(`job ${jid} has not finished: ${JSON.stringify(await client.status(jid))}`)
    }

    test('hello', async () => {
      const answer = await client.send({ method: 'GET', path: '/api/v1/' })
      expect(answer.json()).toMatchObject({ container_env: type, storage_type: 'host' })
    })

    const SHAPES: [name: string, jid: string, folder: string, request: (jid: string) => Record<string, unknown>, argv: string[]][] = [
      ['pfcon 5.2.3', 'chris-jid-1', 'chris-jid-1', (jid) => v6(jid, ['sh', '/share/incoming/echo.sh', '--flag', 'a "b" $(c)']), ['--flag', 'a "b" $(c)']],
      [
        'pfcon 5.0.0',
        'chris-jid-2',
        'key-chris-jid-2',
        (jid) => v4(jid, ['sh', '/share/incoming/echo.sh', '--dir', '/etc'], { args_path_flags: ['--dir'] }),
        ['--dir', '/share/incoming'],
      ],
      [
        'pfcon 4.0.2',
        'chris-jid-3',
        'key-chris-jid-3',
        (jid) => v3(jid, { execshell: '/bin/sh', selfpath: '/share/incoming', selfexec: 'echo.sh', cmd_args: `--name 'it is' --dir x` }),
        ['--name', 'it is', '--dir', '/share/incoming'],
      ],
    ]
    test.each(SHAPES)('%s: submit, poll, log, output, delete, and the same jid at once again', async (_, jid, folder, request, argv) => {
      directories(folder)
      for (const round of [1, 2]) {
        expect(job(await client.run({ ...request(jid), image }), 201)).toMatchObject({ jid, status: 'notstarted', logs: '' })
        expect(await finished(jid)).toMatchObject({ status: 'finishedSuccessfully', logs: 'ran\n' })
        const words = output(folder, 'argv').split('\0').slice(0, -1)
        expect(words.slice(0, argv.length)).toEqual(argv)
        expect(output(folder, 'runs')).toBe('run\n'.repeat(round))
        expect((await client.delete(jid)).status).toBe(204)
        expect((await client.status(jid)).status).toBe(404)
      }
    }, 120_000)

    test('the ENTRYPOINT of the image is not run', async () => {
      const engine = api
      if (engine === undefined) throw new Error('not set up')
      const signal = AbortSignal.timeout(30_000)
      const [repo, tag] = [`local/entrypoint-${Date.now()}`, '1']
      const made = await engine.call({ method: 'POST', path: '/containers/create', body: { Image: image, Cmd: ['true'] }, signal })
      const { Id } = made.json as { Id: string }
      const query = { container: Id, repo: type === 'swarm' || host.includes('docker') ? repo : `docker.io/${repo}`, tag, changes: 'ENTRYPOINT ["false"]' }
      await engine.call({ method: 'POST', path: '/commit', query, body: {}, signal })
      await engine.call({ method: 'DELETE', path: `/containers/${Id}`, signal })
      try {
        directories('entrypoint')
        const body = { ...v6('entrypoint', ['sh', '/share/incoming/echo.sh', 'word']), image: `${query.repo}:${tag}` }
        expect(job(await client.run(body), 201).status).toBe('notstarted')
        expect(await finished('entrypoint')).toMatchObject({ status: 'finishedSuccessfully', logs: 'ran\n' })
        expect((await client.delete('entrypoint')).status).toBe(204)
      } finally {
        await engine.call({ method: 'DELETE', path: `/images/${query.repo}:${tag}`, query: { force: true }, signal }).catch(() => undefined)
      }
    }, 60_000)

    test('12 jobs at once: each runs once', async () => {
      const jids = Array.from({ length: 12 }, (_, n) => `many-${n}`)
      jids.forEach(directories)
      const submitted = await Promise.all(jids.map((jid) => client.run({ ...v6(jid, ['sh', '/share/incoming/echo.sh']), image })))
      submitted.forEach((answer) => job(answer, 201))
      for (const jid of jids) expect((await finished(jid)).status).toBe('finishedSuccessfully')
      expect(jids.map((jid) => output(jid, 'runs'))).toEqual(jids.map(() => 'run\n'))
      for (const jid of jids) expect((await client.delete(jid)).status).toBe(204)
    }, 180_000)

    test('an image whose registry does not answer: the job waits and says why, and nothing of it is left', async () => {
      directories('none')
      const body = { ...v6('none', ['true']), image: `localhost:1/none/${Date.now()}:1` }
      expect(job(await client.run(body), 201).status).toBe('notstarted')
      for (let tries = 0; ; tries++) {
        const { status, message } = job(await client.status('none'), 200)
        if (/refused|unreachable|not be reached|No such image/i.test(message)) break
        expect(status).toBe('notstarted')
        if (tries > 200) throw new Error(`not told: ${message}`)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      expect((await client.delete('none')).status).toBe(204)
      expect((await client.status('none')).status).toBe(404)
    }, 60_000)

    test.each([
      ['an image with a newline', { image: 'busybox\n--privileged' }, /image/],
      ['a path that climbs', { input_dir: '../../../etc' }, /input_dir.*\.\./],
      ['a path with a control character', { output_dir: 'a\u0000b' }, /output_dir/],
      ['an absolute path beyond the first slash', { input_dir: '//etc' }, /input_dir/],
      ['a link that leads out', { input_dir: 'link' }, /input_dir.*(leads out|symbolic)/],
      ['a directory that is not there', { input_dir: 'never/made' }, /input_dir|never\/made/],
    ])('%s is refused, and nothing is made', async (_, field, why) => {
      directories('bad')
      try {
        symlinkSync('/etc', join(storebase, 'link'))
      } catch {
        // It is there from the case before.
      }
      const answer = await client.run({ ...v6('bad', ['true']), image, ...field })
      // Where the engine looks at directories only when a job starts, the job ends with the reason.
      const text = answer.status === 201 ? (await finished('bad')).message : answer.text
      expect(text).toMatch(why)
      if (answer.status !== 201) expect(answer.status).toBe(400)
      expect(() => readFileSync(join(storebase, 'never'))).toThrow(/ENOENT/)
      await client.delete('bad')
    }, 60_000)

    test('the name or the id of somebody else\'s container is no jid of ours: it is not read and not removed', async () => {
      const signal = AbortSignal.timeout(60_000)
      const engine = api
      if (engine === undefined) throw new Error('not set up')
      const name = `foreign-${Date.now()}`
      const made = await engine.call({
        method: 'POST',
        path: '/containers/create',
        query: { name },
        body: { Image: image, Cmd: ['sh', '-c', 'echo secret; sleep 600'], HostConfig: {} },
        signal,
      })
      const { Id } = made.json as { Id: string }
      try {
        await engine.call({ method: 'POST', path: `/containers/${Id}/start`, signal })
        for (const jid of [name, Id, Id.slice(0, 3), Id.slice(0, 12)]) {
          expect((await client.status(jid)).status).toBe(404)
          expect((await client.delete(jid)).status).toBe(404)
          directories(jid)
          expect(job(await client.run({ ...v6(jid, ['sh', '/share/incoming/echo.sh']), image }), 201).status).toBe('notstarted')
          expect(await finished(jid)).toMatchObject({ status: 'finishedSuccessfully', logs: 'ran\n' })
          expect((await client.delete(jid)).status).toBe(204)
        }
        const { json } = await engine.call({ method: 'GET', path: `/containers/${Id}/json`, signal })
        expect(json).toMatchObject({ Id, State: { Running: true } })
      } finally {
        await engine.call({ method: 'DELETE', path: `/containers/${Id}`, query: { force: true, v: true }, signal })
      }
    }, 120_000)
  })
}
