import type { PmanError } from '../../errors.ts'
import { REASONS, type Reason } from '../../jobs/reasons.ts'
import { WAITING_STATES, type JobRecord, type JobSpec, type State } from '../../jobs/types.ts'
import type { JobView } from '../dialect.ts'
import { logText } from './logs.ts'
import { join } from './shlex.ts'

/** pman's words. Its fifth, `undefined`, is never sent: ChRIS cancels a job at the first sight of it. */
const STATUS: Readonly<Record<State, string>> = {
  queued: 'notstarted',
  submitting: 'notstarted',
  pulling: 'notstarted',
  submitted: 'notstarted',
  running: 'started',
  cancelling: 'started',
  succeeded: 'finishedSuccessfully',
  failed: 'finishedWithError',
  cancelled: 'finishedWithError',
  timed_out: 'finishedWithError',
  lost: 'finishedWithError',
  deleted: 'finishedWithError',
}

/** pman's word for a time that is not there. */
const NO_TIME = '0001-01-01T00:00:00Z'
/** What RFC 3339 can write, in milliseconds since 1970. */
const FIRST_TIME = Date.parse(NO_TIME)
const LAST_TIME = Date.parse('9999-12-31T23:59:59.999Z')

/** UTF-16 code units. */
const MAX_MESSAGE = 4096

/** The seven keys of every pman since 3.2.0, all strings, in pman's order. */
export interface PmanJob {
  jid: string
  image: string
  cmd: string
  status: string
  message: string
  timestamp: string
  logs: string
}

/** A job in pman's words. */
export function render({ record, argv, log }: JobView): PmanJob {
  return {
    jid: record.jid,
    image: record.image,
    cmd: join(argv),
    status: STATUS[record.state],
    message: messageOf(record),
    timestamp: timestamp(record.finishedAt ?? record.startedAt),
    logs: logText(log),
  }
}

const timestamp = (at: number | undefined): string =>
  at !== undefined && at >= FIRST_TIME && at <= LAST_TIME ? new Date(at).toISOString() : NO_TIME

/** The state, and all that is known of why. */
function messageOf(record: JobRecord): string {
  const details = [reasonText(record), record.message, unreachableText(record), unsupportedText(record)]
  const known = details.filter((detail) => detail !== undefined && detail !== '')
  const state = record.state.replace('_', ' ')
  return shortened(known.length === 0 ? state : `${state}: ${known.join('; ')}`)
}

const isReason = (reason: string | undefined): reason is Reason => reason !== undefined && Object.hasOwn(REASONS, reason)

const WAITING: ReadonlySet<string> = new Set(WAITING_STATES)

function reasonText({ state, reason, exitCode }: JobRecord): string | undefined {
  const code = exitCode === undefined || reason === 'Completed' ? '' : `exit code ${exitCode}`
  if (!isReason(reason)) return code || reason
  // The texts of the table tell of an end that is still to come, or may never come.
  if (state === 'cancelling') return `being stopped (${reason})`
  if (WAITING.has(state)) return undefined
  const again = REASONS[reason].mayRepeat ? '; the same request may be sent again' : ''
  return `${REASONS[reason].tell}${code && ` (${code})`}${again}`
}

const unreachableText = ({ unreachable }: JobRecord): string | undefined =>
  unreachable && `the engine cannot be reached since ${timestamp(unreachable.since)} (${unreachable.error}), this is the last known state`

const unsupportedText = ({ warnings }: JobRecord): string | undefined =>
  warnings.length === 0 ? undefined : `not enforced by this compute: ${warnings.map(wordFor).join(', ')}`

const shortened = (text: string): string =>
  text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE - 1).replace(/\p{Cs}$/u, '')}…`

/** What a request calls the fields of a job. */
const FIELD_NAMES: Readonly<Record<keyof JobSpec, string>> = {
  image: 'image',
  entrypoint: 'entrypoint',
  args: 'args',
  env: 'env',
  mounts: 'input_dir/output_dir',
  workers: 'number_of_workers',
  cpuLimit: 'cpu_limit',
  memoryLimit: 'memory_limit',
  gpuLimit: 'gpu_limit',
  timeLimit: 'time_limit',
  auid: 'auid',
}

/** pman's word for a field of the spec. */
export const fieldName = (field: keyof JobSpec): string => FIELD_NAMES[field]

const isSpecField = (field: string): field is keyof JobSpec => Object.hasOwn(FIELD_NAMES, field)
const wordFor = (field: string): string => (isSpecField(field) ? fieldName(field) : field)

/** pman's form of a refusal: `{message}`, a map of fields where the request's content is to blame, else a text. */
export function renderError(error: PmanError): { message: string | Record<string, string> } {
  const fields = Object.entries(error.fields ?? {}).map(([field, why]) => [wordFor(field), why] as const)
  if (error.code === 'invalid' && fields.length > 0) return { message: Object.fromEntries(fields) }
  const differing = error.code === 'conflict' && fields.length > 0 ? ` (it differs in ${fields.map(([field]) => field).join(', ')})` : ''
  return { message: `${error.message}${differing}${error.transient ? '; the same request may be sent again' : ''}` }
}
