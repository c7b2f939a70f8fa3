import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { KILL_POINTS, type KillPoint } from '../../../lib/jobs/kill-points.ts'
import { isFinal } from '../../../lib/jobs/lifecycle.ts'
import { testDynamoDb, type TestDynamoDb } from '../../support/dynamodb.ts'
import { call, CLIENT, KEY, openDeployment, runsOf, type Deployment, type Place } from './deployment.ts'
import { SCENARIOS, take, until, type Scenario } from './scenarios.ts'
import type { Orders } from './worker.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const WORKER = join(import.meta.dirname, 'worker.ts')

let db: TestDynamoDb
let root: string
beforeAll(async () => {
  db = await testDynamoDb()
  root = mkdtempSync(join(tmpdir(), 'pman-kill-'))
})
afterAll(async () => {
  await db.stop()
  rmSync(root, { recursive: true, force: true })
})

async function newPlace(): Promise<Place> {
  const place = { url: db.url, table: await db.table(), root: mkdtempSync(join(root, 'case-')) }
  for (const name of ['in', 'out']) mkdirSync(join(place.root, 'data', name), { recursive: true })
  return place
}

/** Runs a worker until it dies; the steps that it answered before. */
async function killed(orders: Orders): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', WORKER, JSON.stringify(orders)], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  const [answered, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  if (child.signalCode !== 'SIGKILL') throw new Error(`the worker did not come to where it was to die: ${errors}`)
  return answered.split('\n').filter((line) => line !== '')
}

/** Another process goes on: clients send again what was not answered, and cleanup comes round, until nothing is left to do. */
async function recover(deployment: Deployment, scenario: Scenario, answered: number): Promise<void> {
  const over = new AbortController()
  const rounds = (async () => {
    for (; !over.signal.aborted; await new Promise((resolve) => setTimeout(resolve, 50))) await deployment.cleanup()
  })()
  try {
    for (const step of scenario.steps.slice(answered)) await take(step, deployment, scenario)
    await until('nothing is left to do', () => isQuiet(deployment))
  } finally {
    over.abort()
    await rounds
  }
}

/** The job has ended, and the engine holds nothing but what its record names. */
async function isQuiet(deployment: Deployment): Promise<boolean> {
  const record = await deployment.core.store.read(KEY)
  const held = await deployment.held()
  const gone = record === undefined || record.state === 'deleted'
  const ended = gone ? (record?.previous.length ?? 0) === 0 : isFinal(record.state) && record.previous.length === 0
  return ended && held.every(({ ref }) => !gone && ref === record.ref)
}

async function expectOutcome(deployment: Deployment, place: Place, scenario: Scenario): Promise<void> {
  const runs = runsOf(place)
  expect(runs.map(({ word }) => word)).toEqual(scenario.runs)
  expect(new Set(runs.map(({ engineName }) => engineName)).size).toBe(runs.length)
  const record = await deployment.core.store.read(KEY)
  if (scenario.record === undefined) expect(record).toBeUndefined()
  else expect(record).toMatchObject(scenario.record)
  if (record === undefined || record.state === 'deleted') return
  expect(runs.at(-1)?.engineName).toBe(runs.length > 0 ? record.engineName : undefined)
  const { log } = await deployment.service.status(CLIENT, KEY)
  expect(Buffer.from(log).toString()).toBe(scenario.log)
}

const cases = Object.entries(SCENARIOS).flatMap(([name, scenario]) => scenario.kills.map(([kill, nth]) => ({ name, scenario, kill, nth })))

describe('a process that dies', () => {
  test.concurrent.each(cases)(
    'in "$name" at "$kill", time $nth',
    async ({ name, scenario, kill, nth }) => {
      const place = await newPlace()
      const answered = await killed({ place, scenario: name, kill, nth })
      expect(answered).toEqual(scenario.steps.slice(0, answered.length))
      const deployment = await openDeployment(place, scenario, () => undefined)
      try {
        await recover(deployment, scenario, answered.length)
        await expectOutcome(deployment, place, scenario)
      } finally {
        for (const { ref } of await deployment.held()) await deployment.engine.remove(ref, call())
        await deployment.close()
      }
    },
    60_000,
  )
})

describe('the places', () => {
  test('each is where some scenario dies', () => {
    expect(new Set(cases.map(({ kill }) => kill))).toEqual(new Set(KILL_POINTS))
  })

  test('each is named once in the sources', () => {
    const folder = join(ROOT, 'lib', 'jobs')
    const sources = readdirSync(folder).filter((name) => name !== 'kill-points.ts').map((name) => readFileSync(join(folder, name), 'utf8'))
    const named = sources.flatMap((source) => [...source.matchAll(/\.reached\?\.\('([^']*)'\)/g)].map(([, name]) => name as KillPoint))
    expect(named.sort()).toEqual([...KILL_POINTS].sort())
  })
})
