/**
 * Swarm takes the values of a service's environment and the words of its mounts for Go templates (Docker: "Create services using
 * templates"; text/template of the Go standard library). Argv, labels and the user are left as they are.
 */

/** Text that the engine's templates give back as it was. */
export const literal = (text: string): string => text.replaceAll('{{', '{{"{{"}}')
/** What the engine makes of such a text. */
export const plain = (text: string): string => text.replaceAll('{{"{{"}}', '{{')

/** The same for every text in a value of JSON. */
export function literalIn<T>(value: T): T {
  if (typeof value === 'string') return literal(value) as T
  if (Array.isArray(value)) return value.map(literalIn) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, literalIn(part as unknown)])) as T
}

/**
 * A template that gives each worker its index, counted from 0. Swarm has only the slot, counted from 1 and as text, and templates have no
 * arithmetic: so blanks are counted. Each digit becomes as many blanks as it says, after ten times those of the digits before it.
 */
export function workerIndex(workers: number): string {
  if (workers === 1) return '0'
  const digits = String(workers).length
  const zeros = '0'.repeat(digits)
  const blanks = (at: number) => `slice (printf "%*s" (index $s ${at}) "") ${ZERO}`
  const tenTimes = '%[1]s'.repeat(10)
  return [
    `{{$s := slice (printf "${zeros}%s" .Task.Slot) (len .Task.Slot)}}{{$n := ""}}`,
    ...Array.from({ length: digits }, (_, at) => `{{$n = printf "${tenTimes}%[2]s" $n (${blanks(at)})}}`),
    '{{len (slice $n 1)}}',
  ].join('')
}

/** The code of the character 0. */
const ZERO = 48
