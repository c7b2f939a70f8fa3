import { randomBytes } from 'node:crypto'
import type { Backend, Call, EngineJob, EngineRef, Observation } from '../../../lib/backends/contract.ts'
import { cromwell } from '../../../lib/backends/cromwell/index.ts'
import { engineName } from '../../../lib/jobs/naming.ts'
import type { JobSpec } from '../../../lib/jobs/types.ts'
import { spec as plainSpec } from '../../support/records.ts'

export const DEPLOYMENT = 'faults-1'

export const call = (): Call => ({ signal: new AbortController().signal, deadline: Date.now() + 30_000, log: () => undefined })

export const spec = (change: Partial<JobSpec> = {}): JobSpec =>
  plainSpec({ image: 'docker.io/fnndsc/pl-simpledsapp:2.1.0', entrypoint: ['true'], args: [], ...change })

/** A job as the core makes it of a spec. */
export function job(change: Partial<JobSpec> = {}, more: Partial<EngineJob> = {}): EngineJob {
  const asked = spec(change)
  return {
    engineName: engineName('faults', (count) => randomBytes(count)),
    owner: { deployment: DEPLOYMENT, compute: 'hpc', jid: 'chris-jid-1', generation: 1, specHash: 'a1b2c3' },
    spec: asked,
    argv: [...asked.entrypoint, ...asked.args],
    env: asked.env,
    limits: { cpu: asked.cpuLimit, memory: asked.memoryLimit, gpu: asked.gpuLimit, time: asked.timeLimit },
    siteLabels: {},
    ...more,
  }
}

/** The driver on a server. */
export function driver(url: string, options: Readonly<Record<string, unknown>> = {}, storebase = '/srv/chris', deployment = DEPLOYMENT): Backend {
  const storage = { type: 'host', storebase }
  return cromwell.open({ compute: 'hpc', deployment, storage, host: 'machine', options: { url, ...options }, credentials: async () => undefined })
}

export async function look(backend: Backend, ref: EngineRef): Promise<Observation> {
  const [seen] = await backend.observe([ref], call())
  if (seen === undefined) throw new Error('observe answers for as many as it was asked')
  return seen
}

/** One word for an observation. */
export const sight = (seen: Observation): string => (seen.kind === 'state' ? seen.phase : seen.kind)

/** Asks again until the answer is right. */
export async function until<T>(ask: () => Promise<T>, right: (answer: T) => boolean, patience = 20_000): Promise<T> {
  const end = Date.now() + patience
  for (;;) {
    const answer = await ask()
    if (right(answer)) return answer
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export const seen = (backend: Backend, ref: EngineRef, ...words: string[]): Promise<Observation> =>
  until(() => look(backend, ref), (one) => words.includes(sight(one)))
