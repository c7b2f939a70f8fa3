import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { labelsOf, markOf } from '../../../lib/backends/docker/labels.ts'
import { addressOf, optionProblems, parseOptions } from '../../../lib/backends/docker/options.ts'
import { sessions } from '../../../lib/backends/docker/session.ts'
import { PmanError } from '../../../lib/errors.ts'

describe('options', () => {
  test('nothing needs to be said', () => {
    expect(parseOptions({})).toMatchObject({ host: 'unix:///var/run/docker.sock', insecure: false, pidsLimit: 4096, pull: 'missing', stopGrace: 10 })
  })

  test.each([
    [{ host: 'unix:///run/d.sock' }, { socketPath: '/run/d.sock' }],
    [{ host: 'tcp://docker.example:2376' }, { url: 'https://docker.example:2376', tls: true }],
    [{ host: 'https://10.0.0.1:2376/' }, { url: 'https://10.0.0.1:2376', tls: true }],
    [{ host: 'tcp://[::1]:2375', insecure: 'yes' }, { url: 'http://[::1]:2375', tls: false }],
    [{ host: 'http://127.0.0.1:2375', insecure: true }, { url: 'http://127.0.0.1:2375', tls: false }],
    [{ host: 'https://127.0.0.1:2376', insecure: true }, { url: 'https://127.0.0.1:2376', tls: true }],
  ])('%j', (options, address) => {
    expect(optionProblems(options)).toEqual([])
    expect(addressOf(parseOptions(options))).toEqual(address)
  })

  test.each([
    [{ host: 'http://127.0.0.1:2375' }, /^options\.host: plain HTTP .* insecure: yes$/],
    [{ host: 'ftp://x:1' }, /^options\.host: must be unix/],
    [{ host: 'unix://relative' }, /^options\.host: must be unix/],
    [{ host: 'tcp://user:word@x:1' }, /^options\.host: must be unix/],
    [{ host: 'tcp://x:1/path' }, /^options\.host: must be unix/],
    [{ host: 'tcp://x' }, /^options\.host: must be unix/],
    [{ certPath: 'certs', host: 'tcp://x:1' }, /^options\.certPath: must be an absolute path/],
    [{ certPath: '/certs' }, /^options\.certPath: has no effect/],
    [{ network: 'host' }, /^options\.network: must not be host/],
    [{ network: 'container:x' }, /^options\.network: must be a name/],
    [{ capabilities: ['ALL'] }, /^options\.capabilities\.0: must not be ALL/],
    [{ pidsLimit: 0 }, /^options\.pidsLimit: must be a whole number/],
    [{ pull: 'sometimes' }, /^options\.pull: must be one of missing/],
    [{ log: { driver: 'syslog' } }, /^options\.log\.driver: must be one of/],
    [{ insecure: 'perhaps' }, /^options\.insecure: must be yes or no/],
    [{ privileged: true }, /^options\.privileged: there is no such setting/],
  ])('%j is refused', (options, words) => {
    expect(optionProblems(options)).toEqual([expect.stringMatching(words)])
    expect(() => parseOptions(options)).toThrow(PmanError)
  })
})

describe('the session', () => {
  const options = parseOptions({ host: 'tcp://127.0.0.1:1' })
  const secret = (more: object) => async () => JSON.stringify(more)

  test('the secret is read as it is now, if that is asked for', async () => {
    const session = sessions(options, async ({ fresh } = { fresh: false }) => (fresh ? '{"ca":"b"}' : '{"ca":"a"}'))
    const kept = await session()
    expect((await session({ fresh: false })).api).toBe(kept.api)
    expect((await session({ fresh: true })).api).not.toBe(kept.api)
  })

  test('the client stays as long as the secret does', async () => {
    let text = '{"ca":"a"}'
    const session = sessions(options, async () => text)
    const first = await session()
    expect(await session()).toBe(first)
    text = '{"ca":"b","registries":{"r.example:5000":{"username":"u","password":"p"}}}'
    const second = await session()
    expect(second.api).not.toBe(first.api)
    expect(second.registries.get('r.example:5000')).toEqual({ username: 'u', password: 'p' })
  })

  test.each([
    ['text', async () => 'hunter2', /must be JSON/],
    ['another shape', secret({ registries: { x: { username: 'hunter2' } } }), /registries\.x\.password is wrong/],
    ['a certificate without its key', secret({ cert: 'hunter2' }), /cert and key go together/],
    ['a word that there is not', secret({ token: 'hunter2' }), /must be JSON/],
  ])('a secret that is %s is refused, and not told', async (_name, credentials, words) => {
    const error: unknown = await sessions(options, credentials)().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'config', message: expect.stringMatching(words) as string })
    expect(String(error)).not.toContain('hunter2')
  })

  test('certificates in a folder are read again when they have changed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'pman-certs-'))
    const session = sessions(parseOptions({ host: 'tcp://127.0.0.1:1', certPath: directory }), async () => undefined)
    await expect(session()).rejects.toMatchObject({ code: 'config' })
    for (const name of ['ca.pem', 'cert.pem', 'key.pem']) await writeFile(join(directory, name), '')
    const first = await session()
    expect(await session()).toBe(first)
    await writeFile(join(directory, 'ca.pem'), '\n')
    expect(await session()).not.toBe(first)
    await rm(directory, { recursive: true })
  })
})

describe('labels', () => {
  const owner = { deployment: 'd', compute: 'c', jid: 'jíd / x', generation: 12, specHash: 'h' }

  test('tell the owner, whatever the site calls its own', () => {
    const siteLabels = { unit: 'x', 'pman-serverless.deployment': 'other', 'pman-serverless.note': 'forged' }
    const labels = labelsOf({ engineName: 'n', owner, siteLabels } as unknown as Parameters<typeof labelsOf>[0], undefined)
    expect(labels).toMatchObject({ unit: 'x', 'pman-serverless.deployment': 'd' })
    expect(markOf(labels)).toEqual({ engineName: 'n', owner, note: undefined })
    for (const key of Object.keys(labels).filter((name) => name.startsWith('pman-serverless.'))) {
      expect(markOf({ ...labels, [key]: undefined })).toBeUndefined()
    }
    for (const generation of ['0', '-1', '1.5', 'x', '']) expect(markOf({ ...labels, 'pman-serverless.generation': generation })).toBeUndefined()
  })
})
