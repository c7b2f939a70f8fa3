import { randomBytes } from 'node:crypto'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Backend, BackendModule, EngineJob, EngineRef, Observation, StorageSettings } from '../../../lib/backends/contract.ts'
import { engineName } from '../../../lib/jobs/naming.ts'
import type { JobSpec } from '../../../lib/jobs/types.ts'
import { call } from '../../contract/backend/bench.ts'
import { clusterSecret, clusterVariable } from '../../contract/backend/kubernetes-harness.ts'

export const DEPLOYMENT = `truth-${randomBytes(6).toString('hex')}`

export interface Site {
  namespace?: string
  options?: Record<string, unknown>
  storage?: StorageSettings
  secret?: (how?: { fresh: boolean }) => Promise<string | undefined>
}

export interface Asked {
  script?: string
  argv?: string[]
  image?: string
  env?: string[]
  mounts?: JobSpec['mounts']
  workers?: number
  limits?: Partial<EngineJob['limits']>
  user?: EngineJob['user']
  jid?: string
  siteLabels?: Record<string, string>
  shmSizeMiB?: number
}

/** A driver as one site has set it up, and what was made with it. */
export class Place {
  readonly backend: Backend
  readonly namespace: string
  readonly #made: EngineRef[] = []

  constructor(module: BackendModule, { namespace = clusterVariable('KUBE_NAMESPACE'), options = {}, storage, secret }: Site = {}) {
    this.namespace = namespace
    this.backend = module.open({
      compute: 'truth',
      deployment: DEPLOYMENT,
      storage: storage ?? { type: 'kubernetes_pvc', volume: clusterVariable('KUBE_PVC') },
      host: 'lambda',
      options: { server: clusterVariable('KUBE_SERVER'), namespace, terminationGracePeriodSeconds: 1, ...options },
      credentials: secret ?? (() => clusterSecret()),
    })
  }

  job(asked: Asked = {}): EngineJob {
    const { script = 'exit 0', argv, image, env = [], mounts = [], workers = 1 } = asked
    const { limits = {}, user, jid = 'a jid', siteLabels = {}, shmSizeMiB } = asked
    const words = argv ?? ['sh', '-c', script]
    const spec = { image: image ?? clusterVariable('KUBE_TEST_IMAGE'), entrypoint: words, args: [], env, mounts, workers, auid: 'test' }
    return {
      engineName: engineName('truth', (count) => randomBytes(count)),
      owner: { deployment: DEPLOYMENT, compute: 'truth', jid, generation: 1, specHash: 'a1b2c3' },
      spec: { ...spec, cpuLimit: 0, memoryLimit: 0, gpuLimit: 0, timeLimit: 0 },
      argv: words,
      env,
      limits: { cpu: 0, memory: 0, gpu: 0, time: 0, ...limits },
      user,
      siteLabels,
      shmSizeMiB,
    }
  }

  async make(job: EngineJob): Promise<EngineRef> {
    const ref = await this.backend.create(job, undefined, call())
    this.#made.push(ref)
    return ref
  }

  async start(asked: Asked = {}): Promise<EngineRef> {
    const ref = await this.make(this.job(asked))
    await this.backend.release(ref, 1, call())
    return ref
  }

  async look(ref: EngineRef): Promise<Observation> {
    const [seen] = await this.backend.observe([ref], call())
    if (seen === undefined) throw new Error('nothing was observed')
    return seen
  }

  /** Looks until this is seen. */
  async until(ref: EngineRef, right: (seen: Observation) => boolean): Promise<Observation> {
    const until = Date.now() + 40_000
    for (;;) {
      const seen = await this.look(ref)
      if (right(seen)) return seen
      if (Date.now() > until) throw new Error(`still ${JSON.stringify(seen)}`)
      await delay(250)
    }
  }

  phase(ref: EngineRef, phase: string): Promise<Observation> {
    return this.until(ref, (seen) => (seen.kind === 'state' ? seen.phase : seen.kind) === phase)
  }

  /** Runs it to its end. */
  async end(asked: Asked): Promise<{ ref: EngineRef; end: Observation }> {
    const ref = await this.start(asked)
    return { ref, end: await this.phase(ref, 'ended') }
  }

  async log(ref: EngineRef): Promise<string> {
    const { bytes } = await this.backend.logs(ref, { tailLines: 1000, maxBytes: 1 << 20 }, call())
    return Buffer.from(bytes).toString()
  }

  async gone(ref: EngineRef): Promise<void> {
    const until = Date.now() + 40_000
    while ((await this.backend.remove(ref, call())) !== 'gone') {
      if (Date.now() > until) throw new Error(`${ref} does not go`)
      await delay(200)
    }
  }

  async clear(): Promise<void> {
    await Promise.all(this.#made.splice(0).map((ref) => this.gone(ref)))
  }
}

/** Directories of the storebase that anybody may write to. */
export async function directories(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(clusterVariable('KUBE_STOREBASE'), name)
    await mkdir(path, { recursive: true })
    await chmod(path, 0o777)
  }
}
