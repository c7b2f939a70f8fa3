import { isReason } from '../../jobs/reasons.ts'
import type { Reason } from '../../jobs/reasons.ts'

/**
 * A container's name is its fence. It is made as N, its engine name; each attempt renames it to a name of its own before it starts it by that
 * name; a stop and a failed start rename it to a name that nothing starts. Docker knows no other compare-and-set.
 */
interface Made {
  engineName: string
  ref: string
}
type Named = Made & { name: string }

export const startedName = (engineName: string, attempt: number): string => `${engineName}-s${attempt}`
/** With a part of the id: a create that was sent twice has left two containers of one engine name. */
export const stoppedName = ({ engineName, ref }: Made): string => `${engineName}-x-${ref.slice(0, 12)}`
/** With the reason: Podman forgets why a start has failed, and a later attempt may have been heard by nobody. */
export const failedName = (made: Made, reason: Reason): string => `${failedPrefix(made)}${reason}`
const failedPrefix = ({ engineName, ref }: Made): string => `${engineName}-f-${ref.slice(0, 12)}-`

export const isStopped = (container: Named): boolean => container.name === stoppedName(container)

/** Why its start has failed, as its name says; undefined: it says nothing of the kind. */
export function failedReason(container: Named): Reason | undefined {
  const prefix = failedPrefix(container)
  if (!container.name.startsWith(prefix)) return undefined
  const word = container.name.slice(prefix.length)
  // Of a newer release's it is at least known that it must not be started.
  return isReason(word) ? word : 'StartFailed'
}
