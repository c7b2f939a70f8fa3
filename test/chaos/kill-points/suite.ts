import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { KillPoint } from '../../../lib/jobs/kill-points.ts'
import { isFinal } from '../../../lib/jobs/lifecycle.ts'
import { testDynamoDb, type TestDynamoDb } from '../../support/dynamodb.ts'
import { call, CLIENT, KEY, mortalOf, objectOf, openDeployment, runsOf, type Deployment, type Place } from './deployment.ts'
import { SCENARIOS, take, until, type Scenario } from './scenarios.ts'
import type { Orders } from './worker.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const WORKER = join(import.meta.dirname, 'worker.ts')

/** Runs a worker until it dies; the steps that it answered before. */
async function killed(orders: Orders): Promise<string[]> {
  const words = ['--import', 'tsx', WORKER, JSON.stringify(orders)]
  const child = spawn(process.execPath, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
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
  expect(new Set(runs.map(({ object }) => object)).size).toBe(runs.length)
  const record = await deployment.core.store.read(KEY)
  if (scenario.record === undefined) expect(record).toBeUndefined()
  else expect(record).toMatchObject(scenario.record)
  if (record === undefined || record.state === 'deleted') return
  expect(runs.at(-1)?.object).toBe(runs.length > 0 ? objectOf(place, record) : undefined)
  const { log } = await deployment.service.status(CLIENT, KEY)
  expect(Buffer.from(log).toString()).toBe(scenario.log)
}

/** Dies at one place in one scenario. */
export interface Death {
  name: string
  scenario: Scenario
  kill: KillPoint
  nth: number
}

export const CASES: readonly Death[] = Object.entries(SCENARIOS).flatMap(([name, scenario]) =>
  scenario.kills.map(([kill, nth]) => ({ name, scenario, kill, nth })),
)

/** Nobody lets go of a jid whose former job ends within the call that stops it; who has only asked for a removal does not see its end. */
function isMet(engine: string, { name, kill }: Death): boolean {
  const { stopsWithinTheCall, removesLater } = mortalOf({ engine })
  if (name === 'delete' && kill === 'remove: written') return removesLater !== true
  const needsDelay = name === 'resubmit after a delete' && (kill === 'submit: let go' || kill === 'dispatch: taken over')
  return !(needsDelay && stopsWithinTheCall)
}

/** Has serving processes die on an engine, and others go on. */
export function killPoints(engine: string, deaths: readonly Death[]): void {
  const cases = deaths.filter((death) => isMet(engine, death))
  describe(`a process that dies, on ${engine}`, () => {
    let db: TestDynamoDb
    let root: string
    beforeAll(async () => {
      db = await testDynamoDb()
      root = mkdtempSync(join(tmpdir(), 'pman-kill-'))
      chmodSync(root, 0o755)
    })
    afterAll(async () => {
      await db.stop()
      rmSync(root, { recursive: true, force: true })
    })

    async function newPlace(): Promise<Place> {
      const place = { url: db.url, table: await db.table(), root: mkdtempSync(join(root, 'case-')), engine }
      for (const name of ['in', 'out']) {
        const directory = join(place.root, 'data', name)
        mkdirSync(directory, { recursive: true })
        // jobs may be another user's
        chmodSync(directory, 0o777)
      }
      await mortalOf(place).lay?.(place)
      return place
    }

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
      120_000,
    )
  })
}
