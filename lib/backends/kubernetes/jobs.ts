import type { Job, Pod } from '../../engines/kubernetes-objects.ts'
import { pointer, type PatchStep } from '../../engines/kubernetes-refusal.ts'
import type { Ask } from './credentials.ts'
import { CONTROLLER_UID, DEPLOYMENT, ENGINE_NAME } from './labels.ts'
import type { JobId } from './ref.ts'

/** Names in one selector: a URL stays well under what proxies take. */
const AT_ONCE = 50

export interface JobWithPods {
  job: Job
  pods: Pod[]
}

/** The Jobs and pods of one deployment. */
export class OwnJobs {
  readonly ask: Ask
  readonly #ours: string
  readonly #deployment: string

  constructor(ask: Ask, deployment: string) {
    this.ask = ask
    this.#deployment = deployment
    this.#ours = `${DEPLOYMENT}=${deployment}`
  }

  /** Those of the names that there are. */
  async named(names: readonly string[], signal: AbortSignal): Promise<Job[]> {
    return this.#each(names, (some) => this.ask((api) => all(api.jobs(`${this.#ours},${ENGINE_NAME} in (${some.join(',')})`, signal))))
  }

  /** The Job with that very uid; undefined: there is none, or it is not ours. */
  async byId({ name, uid }: JobId, signal: AbortSignal): Promise<Job | undefined> {
    return (await this.named([name], signal)).find(({ metadata }) => metadata?.uid === uid)
  }

  /** All pods of these Jobs, whether the Jobs are still there or not. */
  async podsOf(uids: readonly string[], signal: AbortSignal): Promise<Pod[]> {
    return this.#each(uids, (some) => this.ask((api) => all(api.pods(`${this.#ours},${CONTROLLER_UID} in (${some.join(',')})`, signal))))
  }

  /** Every Job of the deployment, with its pods, in pages. A page that could not be had is had again by nobody: it throws. */
  async *pages(signal: AbortSignal): AsyncGenerator<JobWithPods[]> {
    const jobs = await this.ask((api) => all(api.jobs(this.#ours, signal)))
    for (let from = 0; from < jobs.length; from += AT_ONCE) {
      const page = jobs.slice(from, from + AT_ONCE)
      const pods = await this.podsOf(page.map(uidOf), signal)
      yield page.map((job) => ({ job, pods: pods.filter((pod) => ownerUid(pod) === uidOf(job)) }))
    }
  }

  /** Changes that very Job, if it is ours and as the `test` steps say; refused with 422 otherwise, 404 if nothing has its name. */
  async patch({ name, uid }: JobId, steps: readonly PatchStep[], signal: AbortSignal): Promise<void> {
    const ours: PatchStep[] = [
      { op: 'test', path: '/metadata/uid', value: uid },
      { op: 'test', path: pointer('metadata', 'labels', DEPLOYMENT), value: this.#deployment },
    ]
    await this.ask((api) => api.patchJob(name, [...ours, ...steps], signal))
  }

  async #each<T>(names: readonly string[], ask: (some: readonly string[]) => Promise<T[]>): Promise<T[]> {
    const unique = [...new Set(names)]
    const found: T[] = []
    for (let from = 0; from < unique.length; from += AT_ONCE) found.push(...(await ask(unique.slice(from, from + AT_ONCE))))
    return found
  }
}

export const uidOf = ({ metadata }: Job): string => metadata?.uid ?? ''
export const ownerUid = ({ metadata }: Pod): string => metadata?.labels?.[CONTROLLER_UID] ?? ''

/** All pages of a list; none of it counts if one of them failed. */
export async function all<T>(pages: AsyncIterable<T[]>): Promise<T[]> {
  const found: T[] = []
  for await (const page of pages) found.push(...page)
  return found
}

export function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}
