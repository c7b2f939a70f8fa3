import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Backend, Call, EngineJob, Observation } from '../../../lib/backends/contract.ts'
import { local } from '../../../lib/backends/local/index.ts'

export const call = (): Call => ({ signal: new AbortController().signal, deadline: Date.now() + 30_000, log: () => undefined })

/** A directory of jobs and a storebase with `in` and `out`, and a driver on them. */
export interface Site {
  root: string
  jobs: string
  storebase: string
  backend: Backend
  /** Another driver on the same directories. */
  open(options?: Record<string, unknown>, deployment?: string): Backend
  close(): Promise<void>
}

export async function makeSite(): Promise<Site> {
  const root = await mkdtemp(join(tmpdir(), 'pman-local-'))
  const [jobs, storebase] = [join(root, 'jobs'), join(root, 'storebase')]
  for (const name of ['in', 'out']) await mkdir(join(storebase, name), { recursive: true })
  const open = (options: Record<string, unknown> = {}, deployment = 'ours'): Backend =>
    local.open({
      compute: 'local',
      deployment,
      host: 'machine',
      storage: { type: 'host', storebase },
      options: { directory: jobs, killGrace: 600, ...options },
      credentials: async () => undefined,
    })
  return { root, jobs, storebase, backend: open(), open, close: () => rm(root, { recursive: true, force: true }) }
}

let count = 0
/** A job with the directories of the site. */
export function job(argv: readonly string[], more: Partial<EngineJob> = {}): EngineJob {
  count += 1
  const mounts = [
    { field: 'input_dir', source: 'in', target: '/share/incoming', readOnly: true },
    { field: 'output_dir', source: 'out', target: '/share/outgoing', readOnly: false },
  ]
  const limits = { workers: 1, cpuLimit: 0, memoryLimit: 0, gpuLimit: 0, timeLimit: 0 }
  const spec = { image: 'any', entrypoint: [...argv], args: [], env: [], mounts, ...limits, auid: 'x' }
  return {
    engineName: `job-${count}`,
    owner: { deployment: 'ours', compute: 'local', jid: `j${count}`, generation: 1, specHash: 'h' },
    spec,
    argv,
    env: [],
    limits: { cpu: 0, memory: 0, gpu: 0, time: 0 },
    siteLabels: {},
    ...more,
  }
}

export const sh = (script: string): string[] => ['sh', '-c', script]

export async function start(backend: Backend, what: EngineJob): Promise<string> {
  const ref = await backend.create(what, undefined, call())
  await backend.release(ref, 1, call())
  return ref
}

export async function look(backend: Backend, ref: string): Promise<Observation> {
  const [seen] = await backend.observe([ref], call())
  if (seen === undefined) throw new Error('no answer')
  return seen
}

export async function until<T>(ask: () => Promise<T>, right: (answer: T) => boolean): Promise<T> {
  const end = Date.now() + 10_000
  for (;;) {
    const answer = await ask()
    if (right(answer)) return answer
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(answer)}`)
    await delay(20)
  }
}

export const ended = (backend: Backend, ref: string): Promise<Observation> =>
  until(() => look(backend, ref), (seen) => seen.kind === 'state' && seen.phase === 'ended')

/** A file that a job or its runner writes, once it is there. */
export const written = (path: string): Promise<string> => until(() => readFile(path, 'utf8').catch(() => ''), (text) => text !== '')

interface Pids {
  runner: number
  job: number
}
/** The pids of a job that runs, as its folder has them. */
export async function pidsOf({ jobs }: Site, ref: string): Promise<Pids> {
  const read = async (name: string): Promise<unknown> => JSON.parse(await written(join(jobs, ref, name))) as unknown
  const claim = (await read('claim.json')) as { runner: { pid: number } }
  const started = (await read('started.json')) as { process: { pid: number } }
  return { runner: claim.runner.pid, job: started.process.pid }
}

/** Puts something else in the place of a file of the job. */
export const put = ({ jobs }: Site, ref: string, name: string, content: unknown): Promise<void> =>
  writeFile(join(jobs, ref, name), typeof content === 'string' ? content : JSON.stringify(content))

export const names = async (path: string): Promise<string[]> => (await readdir(path).catch(() => [])).sort()
