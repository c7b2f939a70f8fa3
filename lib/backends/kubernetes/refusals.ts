import { KubernetesRefusal } from '../../engines/kubernetes-refusal.ts'
import { EngineRejected } from '../contract.ts'

/** The request's words for what the API server calls by its path. */
const FIELDS: readonly { path: RegExp; field: string }[] = [
  { path: /ontainers\[0\]\.image/, field: 'image' },
  { path: /ontainers\[0\]\.env/, field: 'env' },
  { path: /ontainers\[0\]\.command/, field: 'entrypoint' },
  { path: /ontainers\[0\]\.args/, field: 'args' },
  { path: /resources\..*\bcpu\b/, field: 'cpu_limit' },
  { path: /resources\..*\bmemory\b/, field: 'memory_limit' },
  { path: /resources\..*gpu/, field: 'gpu_limit' },
  { path: /spec\.(parallelism|completions)/, field: 'number_of_workers' },
  { path: /activeDeadlineSeconds/, field: 'time_limit' },
]

/** A 403 that more room, or another moment, mends: the create is to be sent again. */
const MAY_HEAL = /exceeded quota|because it is being terminated/

/**
 * What the refusal of a create means: EngineRejected, where the same request would be refused again. A 403 that is left here is
 * admission's, since a missing right has become another error before. Anything else comes as it was: nothing was made, or it is not known.
 */
export function rejectionOf(error: unknown): unknown {
  if (!(error instanceof KubernetesRefusal)) return error
  const { status, message, causes } = error
  if (status === 403 && !MAY_HEAL.test(message)) return new EngineRejected(message, { reason: 'PolicyRefused', cause: error })
  if (status !== 400 && status !== 413 && status !== 422) return error
  const fields = causes.flatMap(({ field: place, message: text }) =>
    FIELDS.filter(({ path }) => path.test(place)).map(({ field }) => [field, text] as const),
  )
  return new EngineRejected(message, { cause: error, ...(fields.length === 0 ? {} : { fields: Object.fromEntries(fields) }) })
}
