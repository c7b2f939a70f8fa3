import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { SlurmRefusal } from '../../../lib/engines/slurm-errors.ts'
import type { Trouble } from '../../../lib/engines/slurm-errors.ts'
import { slurmRest } from '../../../lib/engines/slurm-rest.ts'
import type { SlurmLogin, SlurmRest } from '../../../lib/engines/slurm-rest.ts'

type Reply = { status: number; body: unknown }
type Handler = (method: string, path: string, token: string) => Reply

const recorded = (name: string): unknown => JSON.parse(readFileSync(join(import.meta.dirname, 'recorded', `${name}.json`), 'utf8'))
const text = (status: number, body: string): Reply => ({ status, body })
const NO_PATH = text(404, 'Unable find requested URL. Please view /openapi/v3 for API reference.')
const signal = new AbortController().signal

/** Answers in place of slurmrestd, and remembers what it was asked. */
let server: Server
let handler: Handler = () => NO_PATH
let asked: string[] = []
let logins: SlurmLogin[] = []
const client = (): SlurmRest =>
  slurmRest({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, async ({ fresh }) => {
    if (fresh && logins.length > 1) logins.shift()
    return logins[0] ?? { user: 'u', token: 'none' }
  })

beforeAll(async () => {
  server = createServer((request: IncomingMessage, response) => {
    const { method = '', url = '', headers } = request
    request.resume()
    asked.push(`${method} ${url}`)
    const { status, body } = handler(method, url, String(headers['x-slurm-user-token']))
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
})
afterAll(() => new Promise((resolve) => server.close(() => resolve(undefined))))
beforeEach(() => {
  asked = []
  logins = [{ user: 'u', token: 'good' }]
})

const ping = (): Reply => ({ status: 200, body: recorded('ping') })
/** Serves one version, with an answer for the rest. */
const serving = (version: number, rest: Handler): Handler => (method, path, token) =>
  path.includes(`/v0.0.${version}/`) ? (path.endsWith('/ping') ? ping() : rest(method, path, token)) : NO_PATH

describe('the version', () => {
  test.each([44, 43, 42, 41, 40, 38])('v0.0.%i is found, from the newest down, and kept', async (version) => {
    handler = serving(version, () => ({ status: 200, body: { jobs: [], errors: [] } }))
    const slurm = client()
    await slurm.jobs(signal)
    await slurm.jobs(signal)
    const pings = asked.filter((one) => one.endsWith('/ping'))
    expect(pings[0]).toBe('GET /slurm/v0.0.44/ping')
    expect(pings.at(-1)).toBe(`GET /slurm/v0.0.${version}/ping`)
    expect(asked.slice(pings.length)).toEqual(Array(2).fill(`GET /slurm/v0.0.${version}/jobs${version === 38 ? '' : '/'}`))
    slurm.close()
  })

  test('of a slurmrestd that was replaced is asked for again', async () => {
    handler = serving(38, () => ({ status: 200, body: { jobs: [], errors: [] } }))
    const slurm = client()
    await slurm.jobs(signal)
    handler = serving(40, () => ({ status: 200, body: { jobs: [], errors: [] } }))
    await expect(slurm.jobs(signal)).rejects.toThrow(/no such path/)
    expect(await slurm.jobs(signal)).toEqual([])
    slurm.close()
  })

  test.each<[string, Reply]>([
    ['a refused token', text(401, 'Authentication failure')],
    ['a controller that is down', { status: 500, body: { errors: [{ error_number: -1, error: 'Unspecified error' }] } }],
    ['a proxy\'s page', text(502, '<html>')],
  ])('is not guessed from %s', async (_name, reply) => {
    handler = (_method, path) => (path.includes('v0.0.4') ? reply : ping())
    const slurm = client()
    await expect(slurm.jobs(signal)).rejects.toThrow()
    handler = serving(38, () => ({ status: 200, body: { jobs: [], errors: [] } }))
    expect(await slurm.jobs(signal)).toEqual([])
    slurm.close()
  })

  test('none that is known', async () => {
    handler = () => NO_PATH
    await expect(client().jobs(signal)).rejects.toThrow(/serves none of the versions/)
  })
})

describe('what an answer means', () => {
  const answering = (reply: Reply): SlurmRest => {
    handler = serving(38, () => reply)
    return client()
  }

  test('only "no such job" is an absence', async () => {
    expect(await answering({ status: 500, body: recorded('unknown-job') }).job(999, signal)).toBeUndefined()
    // From 23.02 on by 404.
    expect(await answering({ status: 404, body: recorded('unknown-job') }).job(999, signal)).toBeUndefined()
  })

  test.each<[string, number, unknown]>([
    ['a refused token, in the same words', 500, recorded('badtoken-job')],
    ['no such job and something else', 500, { errors: [{ error_number: 2017 }, { error_number: 2090 }] }],
    ['200 with errors', 200, { errors: [{ error_number: 1800, error: 'x' }], jobs: [] }],
    ['200 without a job', 200, { errors: [], jobs: [] }],
    ['200 with a job that is none', 200, { errors: [], jobs: [{ job_id: 'x' }] }],
    ['another server\'s page', 200, 'hello'],
    ['404 without a word of SLURM\'s', 404, 'no'],
    ['502', 502, { errors: [] }],
  ])('%s is none', async (_name, status, body) => {
    await expect(answering({ status, body }).job(1, signal)).rejects.toThrow()
  })

  test.each<[string, number, Trouble]>([
    ['badpartition-submit', 500, 'refused'],
    ['toobig-submit', 500, 'refused'],
    ['noenv-submit', 400, 'refused'],
    ['unknownfield-submit', 400, 'refused'],
    ['badtoken-submit', 500, 'login'],
  ])('the refusal of a submission: %s', async (name, status, trouble) => {
    const error: unknown = await answering({ status, body: recorded(name) }).submit(SUBMISSION, signal).catch((one: unknown) => one)
    expect(error).toBeInstanceOf(SlurmRefusal)
    expect(error).toMatchObject({ trouble })
  })

  test.each<[number, Trouble]>([
    ...([2007, 2050] as const).map((code): [number, Trouble] => [code, 'later']),
    ...([1800, 6001] as const).map((code): [number, Trouble] => [code, 'login']),
    ...([2021, 2084] as const).map((code): [number, Trouble] => [code, 'finished']),
    [2002, 'denied'],
    [2999, 'unclear'],
  ])('code %i is %s', async (code, trouble) => {
    const refusing = answering({ status: 500, body: { errors: [{ error_code: code, error: 'x' }] } })
    const error: unknown = await refusing.cancel(1, signal).catch((one: unknown) => one)
    expect(error).toMatchObject({ trouble, codes: [code] })
  })

  test('a job with an id was taken, whatever the errors say', async () => {
    expect(await answering({ status: 200, body: recorded('ok-submit') }).submit(SUBMISSION, signal)).toEqual({ id: 1, notes: [] })
    const beyond = await answering({ status: 200, body: recorded('blocked-submit') }).submit(SUBMISSION, signal)
    expect(beyond).toMatchObject({ id: 7, notes: [{ code: 2015 }] })
  })

  test('an update that answers for each job in "results" is refused by any of them', async () => {
    const results = [{ job_id: 1, error_code: 0 }, { job_id: 1, error_code: 2084, error: 'Job has already finished' }]
    const refusing = answering({ status: 200, body: { results, errors: [] } })
    await expect(refusing.release(1, signal)).rejects.toMatchObject({ trouble: 'finished' })
  })

  test('the list leaves out what cannot be read, and no more', async () => {
    const body = recorded('ok-job') as { jobs: unknown[] }
    const jobs = await answering({ status: 200, body: { ...body, jobs: [{ job_id: 'x' }, ...body.jobs] } }).jobs(signal)
    expect(jobs.map(({ name }) => name)).toEqual(['ok'])
  })

  test('a controller that is down is not healthy, though slurmrestd is', async () => {
    const down = { status: 200, body: { errors: [], pings: [{ hostname: 'a', ping: 'DOWN' }] } }
    handler = (_method, path) => (path.includes('/v0.0.38/') ? down : NO_PATH)
    await expect(client().ping(signal)).rejects.toThrow(/no controller is up/)
    handler = serving(38, () => NO_PATH)
    expect(await client().ping(signal)).toEqual({ release: '22.05.8', api: 'v0.0.38' })
  })

  test('the accounting database: none, no such job, its trouble', async () => {
    expect(await answering(NO_PATH).accounted(1, signal)).toEqual([])
    expect(await answering({ status: 200, body: { errors: [{ error_number: 9003, error: 'x' }] } }).accounted(1, signal)).toEqual([])
    for (const code of [1007, 7000]) {
      const refusing = answering({ status: 200, body: { errors: [{ error_number: code }] } })
      await expect(refusing.accounted(1, signal)).rejects.toMatchObject({ trouble: 'login' })
    }
  })
})

describe('a token that is not taken', () => {
  const needing = (token: string): Handler => serving(38, (_method, _path, given) =>
    given === token ? { status: 200, body: recorded('ok-job') } : { status: 500, body: recorded('badtoken-job') },
  )

  test('is read again once', async () => {
    logins = [{ user: 'u', token: 'old' }, { user: 'u', token: 'new' }]
    handler = needing('new')
    expect(await client().job(1, signal)).toMatchObject({ id: 1 })
    expect(asked.filter((one) => one.endsWith('/job/1'))).toHaveLength(2)
  })

  test('and nothing is repeated if it is the same', async () => {
    handler = needing('new')
    await expect(client().job(1, signal)).rejects.toMatchObject({ trouble: 'login' })
    expect(asked.filter((one) => one.endsWith('/job/1'))).toHaveLength(1)
  })
})

const SUBMISSION = {
  ...{ name: 'n', script: '#!/bin/sh\n', environment: { A: 'b' }, workingDirectory: '/tmp', output: '/o', comment: '', tasks: 1 },
  ...{ cpusPerTask: undefined, memory: undefined, gres: undefined, minutes: undefined, partition: undefined, account: undefined, qos: undefined },
}
