import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startStack, type Stack } from '../../infra/local/stack.ts'
import { pfcon, type Answer, type Pfcon } from './pfcon.ts'
import { v6 } from './requests.ts'

/** Clients that ask at once, each with connections of its own. */
const CLIENTS = 8

let root: string
let stack: Stack
let client: Pfcon
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'pman-storm-'))
  mkdirSync(join(root, 'data'))
  stack = await startStack({
    stateDir: join(root, 'state'),
    env: { PATH: process.env.PATH, CONTAINER_ENV: 'local', STORAGE_TYPE: 'host', STOREBASE: join(root, 'data') },
  })
  client = pfcon(stack.url, stack.token)
}, 120_000)

afterAll(async () => {
  await stack.stop()
  rmSync(root, { recursive: true, force: true })
}, 60_000)

const atOnce = <T>(ask: (n: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: CLIENTS }, (_, n) => ask(n)))

/** A job that writes down, for each run, the engine object that it runs as. */
function traced(jid: string, script: string): Record<string, unknown> {
  for (const name of ['incoming', 'outgoing']) mkdirSync(join(root, 'data', jid, name), { recursive: true })
  return v6(jid, ['/bin/sh', '-c', `pwd >> /share/outgoing/objects\n${script}`])
}

function objects(jid: string): string[] {
  const path = join(root, 'data', jid, 'outgoing', 'objects')
  return readFileSync(path, 'utf8').split('\n').filter((line) => line !== '')
}

interface Shown {
  status: string
  logs: string
  message: string
}

async function until(jid: string, ...words: string[]): Promise<Shown> {
  for (const end = Date.now() + 40_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const shown = (await client.status(jid)).json() as Shown
    if (words.includes(shown.status)) return shown
  }
  throw new Error(`job ${jid} did not become ${words.join(' or ')}`)
}

const statusesOf = (answers: Answer[]): number[] => answers.map(({ status }) => status).sort()
const all = (status: number): number[] => Array<number>(CLIENTS).fill(status)

describe(`${CLIENTS} clients at once`, () => {
  test('the same submission: one job, and the same answer for all', async () => {
    const request = traced('alike', 'echo hello')
    const answers = await atOnce(() => client.run(request))
    expect(statusesOf(answers)).toEqual(all(201))
    const shown = answers.map((answer) => ({ ...(answer.json() as Shown), message: '' }))
    expect(shown).toEqual(shown.map(() => shown[0]))
    expect(await until('alike', 'finishedSuccessfully')).toMatchObject({ logs: 'hello\n' })
    expect(objects('alike').length).toBe(1)
  }, 60_000)

  test('different submissions for one jid: one is accepted, the others are conflicts', async () => {
    const answers = await atOnce((n) => client.run(traced('contested', `echo ${n}`)))
    expect(statusesOf(answers)).toEqual([201, ...all(409).slice(1)])
    const won = answers.findIndex(({ status }) => status === 201)
    expect(await until('contested', 'finishedSuccessfully')).toMatchObject({ logs: `${won}\n` })
    expect(objects('contested').length).toBe(1)
  }, 60_000)

  test('poll, delete and submit again: nobody sees a failure, and no generation runs twice', async () => {
    const request = traced('stormy', 'exec sleep 60')
    expect((await client.run(request)).status).toBe(201)
    await until('stormy', 'started')
    const rounds = await atOnce(async (n) => {
      const answers = []
      for (let round = 0; round < 3; round++) {
        if (n % 2 === 0) answers.push((await client.delete('stormy')).status)
        answers.push((await client.run(request)).status, (await client.status('stormy')).status)
      }
      return answers
    })
    expect(rounds.flat().filter((status) => ![200, 201, 204, 404].includes(status))).toEqual([])
    expect(await until('stormy', 'started')).toMatchObject({ logs: '' })
    const runs = objects('stormy')
    expect(new Set(runs).size).toBe(runs.length)
    expect(statusesOf(await atOnce(() => client.delete('stormy')))).toEqual(all(204))
    expect(statusesOf(await atOnce(() => client.status('stormy')))).toEqual(all(404))
  }, 90_000)

  test('jobs of their own: each runs once, with its own log', async () => {
    const jids = Array.from({ length: CLIENTS }, (_, n) => `own-${n}`)
    await Promise.all(
      jids.map(async (jid) => {
        expect((await client.run(traced(jid, `echo ${jid}`))).status).toBe(201)
        expect(await until(jid, 'finishedSuccessfully')).toMatchObject({ logs: `${jid}\n` })
        expect((await client.delete(jid)).status).toBe(204)
      }),
    )
    expect(jids.map((jid) => objects(jid).length)).toEqual(jids.map(() => 1))
  }, 60_000)
})
