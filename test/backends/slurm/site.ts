import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Backend, Call, EngineJob, EngineRef, Observation } from '../../../lib/backends/contract.ts'
import { engineName } from '../../../lib/jobs/naming.ts'
import type { Ground } from '../../contract/backend/slurm-harness.ts'

export const call = (): Call => ({ signal: new AbortController().signal, deadline: Date.now() + 60_000, log: () => undefined })
export const deploymentId = (): string => `slurm-${randomBytes(6).toString('hex')}`

export interface Made {
  job: EngineJob
  /** What a file of its output directory holds; empty without one. */
  output: (name: string) => Promise<string>
  /** The beginning of its paths, relative to the storebase. */
  place: string
}

/** A job that runs a shell script with `/share/incoming` and `/share/outgoing`; `spec` and `limits` change what it asks for. */
export async function made(
  ground: Ground,
  deployment: string,
  script: string,
  { spec = {}, limits = {}, place }: { spec?: Partial<EngineJob['spec']>; limits?: Partial<EngineJob['limits']>; place?: string } = {},
): Promise<Made> {
  const name = engineName('slurm', (count) => randomBytes(count))
  const at = place ?? name
  for (const directory of ['in', 'out'].map((end) => join(ground.storebase, at, end))) {
    await mkdir(directory, { recursive: true })
    await chmod(directory, 0o777)
  }
  const argv = ['sh', '-c', `echo run >>/share/outgoing/runs\n${script}`]
  return {
    place: at,
    output: (file) => readFile(join(ground.storebase, at, 'out', file), 'utf8').catch(() => ''),
    job: {
      engineName: name,
      owner: { deployment, compute: 'contract', jid: `jid of ${name}`, generation: 1, specHash: 'a1b2' },
      spec: {
        ...{ image: 'example.org/none:1', entrypoint: argv, args: [], env: [], auid: 'x' },
        ...{ workers: 1, cpuLimit: 0, memoryLimit: 0, gpuLimit: 0, timeLimit: 0 },
        mounts: [
          { field: 'input_dir', source: `${at}/in`, target: '/share/incoming', readOnly: true },
          { field: 'output_dir', source: `${at}/out`, target: '/share/outgoing', readOnly: false },
        ],
        ...spec,
      },
      argv,
      env: [],
      limits: { cpu: 0, memory: 0, gpu: 0, time: 0, ...limits },
      siteLabels: {},
    },
  }
}

export async function look(backend: Backend, ref: EngineRef): Promise<Observation> {
  const [seen] = await backend.observe([ref], call())
  if (seen === undefined) throw new Error('no observation')
  return seen
}

export async function until<T>(ask: () => Promise<T>, right: (answer: T) => boolean, patience = 150_000): Promise<T> {
  const end = Date.now() + patience
  for (;;) {
    const answer = await ask()
    if (right(answer)) return answer
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(answer)}`)
    await delay(100)
  }
}

export const ended = (backend: Backend, ref: EngineRef): Promise<Observation> =>
  until(() => look(backend, ref), (seen) => seen.kind === 'state' && (seen.phase === 'ended' || seen.phase === 'withdrawn'))
export const phase = (wanted: string) => (seen: Observation): boolean => seen.kind === 'state' && seen.phase === wanted

export async function run(backend: Backend, job: EngineJob): Promise<{ ref: EngineRef; end: Observation }> {
  const ref = await backend.create(job, undefined, call())
  await backend.release(ref, 1, call())
  return { ref, end: await ended(backend, ref) }
}

export async function logOf(backend: Backend, ref: EngineRef): Promise<string> {
  const { bytes } = await backend.logs(ref, { tailLines: 1000, maxBytes: 1 << 20 }, call())
  return Buffer.from(bytes).toString()
}

/** Cancels and forgets everything of a deployment. */
export async function clear(backend: Backend): Promise<void> {
  for await (const { ref } of backend.list(call())) await until(() => backend.remove(ref, call()), (answer) => answer === 'gone')
}
