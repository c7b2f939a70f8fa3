import type { KillPoint } from '../../../lib/jobs/kill-points.ts'
import { isFinal } from '../../../lib/jobs/lifecycle.ts'
import type { JobRecord } from '../../../lib/jobs/types.ts'
import type { Faultable } from '../../support/faults.ts'
import { ALONE, BEATING } from '../heartbeat.ts'
import { CLIENT, KEY, type Deployment, type Variant } from './deployment.ts'

/** What is done to the one job of a scenario, each to its end: a client's requests, and what cleanup does: `removed`, `limit`, `expire`. */
export type Step = 'submit' | 'submit another' | 'running' | 'finish' | 'cancel' | 'delete' | 'removed' | 'limit' | 'expire'

export interface Scenario extends Variant {
  /** The shell script of the first job. */
  script: string
  steps: readonly Step[]
  /** The engine refuses this call once, in the process that dies. */
  fault?: Faultable
  /** Where the serving process dies, and at which time that it comes there: one case each. */
  kills: readonly (readonly [KillPoint, nth: number])[]
  /** Which jobs have run, once each and in this order. */
  runs: readonly string[]
  /** Of the record in the end; undefined: it has expired. */
  record: Partial<JobRecord> | undefined
  log: string
}

const FIRST_TIME = (...points: KillPoint[]): (readonly [KillPoint, number])[] => points.map((point) => [point, 1])
const LONG = 'echo begun; exec sleep 60'
const FAILED: Partial<JobRecord> = { state: 'failed', reason: 'NonZeroExit', exitCode: 3, generation: 1 }

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'submit and poll': {
    script: 'echo hello; exit 3',
    steps: ['submit', 'finish'],
    kills: FIRST_TIME(
      'submit: request kept',
      'submit: intent written',
      'create: made',
      'commit: written',
      'release: sent',
      'look: begun',
      'end: log kept',
      'end: written',
    ),
    runs: ['first'],
    record: FAILED,
    log: 'hello\n',
  },
  'dispatch after a request that the engine did not answer': {
    script: 'echo hello; exit 3',
    fault: 'create',
    steps: ['submit', 'finish'],
    kills: FIRST_TIME('submit: let go', 'dispatch: taken over', 'create: made', 'commit: written', 'release: sent'),
    runs: ['first'],
    record: FAILED,
    log: 'hello\n',
  },
  'prepare in dispatch': {
    script: 'echo hello; exit 3',
    prepares: true,
    steps: ['submit', 'finish'],
    kills: [['prepare: pull written', 1], ['prepare: pull written', 2], ['prepare: written', 1], ['create: made', 1]],
    runs: ['first'],
    record: { ...FAILED, prepared: '{"digest":"x"}' },
    log: 'hello\n',
  },
  'release again': {
    script: 'echo hello; exit 3',
    fault: 'release',
    steps: ['submit', 'finish'],
    kills: FIRST_TIME('release: written again', 'release: sent'),
    runs: ['first'],
    record: FAILED,
    log: 'hello\n',
  },
  cancel: {
    script: LONG,
    steps: ['submit', 'running', 'cancel', 'finish'],
    kills: FIRST_TIME('cancel: written', 'stop: written', 'stop: sent', 'end: log kept', 'end: written'),
    runs: ['first'],
    record: { state: 'cancelled', reason: 'CancelRequested' },
    log: 'begun\n',
  },
  'cancel before the commit': {
    script: LONG,
    fault: 'create',
    // while the engine is not ready, dispatch keeps its hands off
    timing: { backoffLeast: 2_000, backoffGreatest: 2_000 },
    steps: ['submit', 'cancel', 'finish'],
    kills: FIRST_TIME('cancel: written', 'end: written'),
    runs: [],
    record: { state: 'cancelled', reason: 'CancelRequested' },
    log: '',
  },
  delete: {
    script: LONG,
    // a job that takes its time to end is removed by cleanup
    steps: ['submit', 'running', 'delete', 'removed'],
    kills: FIRST_TIME('delete: written', 'remove: sent', 'remove: written'),
    runs: ['first'],
    record: { state: 'deleted', generation: 1 },
    log: '',
  },
  'resubmit after a delete': {
    script: `trap '' TERM; echo begun; ${BEATING}`,
    steps: ['submit', 'running', 'delete', 'submit another', 'finish'],
    kills: [
      ['submit: request kept', 2],
      ['submit: intent written', 2],
      ['submit: let go', 1],
      ['dispatch: taken over', 1],
      ['remove: sent', 1],
      ['remove: written', 1],
      ['create: made', 2],
      ['commit: written', 2],
      ['release: sent', 2],
      ['end: written', 1],
    ],
    runs: ['first', 'another'],
    record: { state: 'failed', exitCode: 4, generation: 2, previous: [] },
    log: 'again\n',
  },
  'time limit': {
    script: LONG,
    timing: { runLimit: 300 },
    steps: ['submit', 'running', 'limit'],
    kills: FIRST_TIME('deadline: written', 'stop: written', 'stop: sent', 'end: log kept'),
    runs: ['first'],
    record: { state: 'timed_out', reason: 'TimeLimit' },
    log: 'begun\n',
  },
  retention: {
    script: 'echo hello; exit 3',
    timing: { retention: 100, keptCheck: 100 },
    steps: ['submit', 'finish', 'expire'],
    kills: FIRST_TIME('expire: object gone', 'expire: items swept'),
    runs: ['first'],
    record: undefined,
    log: '',
  },
}

const ANOTHER = `${ALONE} && echo again; exit 4`
const record = (deployment: Deployment): Promise<JobRecord | undefined> => deployment.core.store.read(KEY)
const status = (deployment: Deployment) => deployment.service.status(CLIENT, KEY)

const STEPS: Readonly<Record<Step, (deployment: Deployment, scenario: Scenario) => Promise<unknown>>> = {
  submit: ({ service, job }, { script }) => service.submit(CLIENT, KEY, job('first', script)),
  'submit another': ({ service, job }) => service.submit(CLIENT, KEY, job('another', ANOTHER)),
  running: (deployment) => until('the job runs', async () => Buffer.from((await status(deployment)).log).toString() === 'begun\n'),
  finish: (deployment) => until('the job has ended', async () => isFinal((await status(deployment)).record.state)),
  cancel: ({ service }) => service.cancel(CLIENT, KEY),
  delete: ({ service }) => service.delete(CLIENT, KEY),
  removed: (deployment) =>
    until('nothing of the job is left', async () => {
      await deployment.cleanup()
      return (await record(deployment))?.previous.length === 0
    }),
  limit: (deployment) =>
    until('the job is stopped', async () => {
      await deployment.cleanup()
      return isFinal((await record(deployment))?.state ?? 'deleted')
    }),
  expire: (deployment) =>
    until('the record has expired', async () => {
      await deployment.cleanup()
      return (await record(deployment)) === undefined
    }),
}

/** Does one step to its end. */
export const take = (step: Step, deployment: Deployment, scenario: Scenario): Promise<unknown> => STEPS[step](deployment, scenario)

const PATIENCE = 30_000
const EVERY = 30

/** Asks again and again; throws, with what is being waited for, when that lasts too long. */
export async function until(what: string, met: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    if (await met()) return
    await new Promise((resolve) => setTimeout(resolve, EVERY))
  }
  throw new Error(`in vain: ${what}`)
}
