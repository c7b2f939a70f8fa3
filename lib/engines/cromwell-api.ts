/**
 * The REST API of a Cromwell server, versions 74 to 93: cromwell.readthedocs.io, "REST API"; what its pages leave open is by
 * `WebServiceUtils`, `MetadataRouteSupport` and `CromwellApiService` of broadinstitute/cromwell. It has no authentication of its own.
 */
import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { EngineAnswer, jsonOf, type Answer, type Question, type Transport } from './transport.ts'

const WORKFLOWS = '/api/workflows/v1'

const told = z.object({ message: z.string() })
const accepted = z.object({ id: z.uuid(), status: z.string() })

export interface WorkflowFailure {
  message: string
  causedBy?: WorkflowFailure[] | undefined
}
const failure: z.ZodType<WorkflowFailure> = z.lazy(() => z.object({ message: z.string(), causedBy: z.array(failure).optional() }))

const attempt = z.object({
  executionStatus: z.string().optional(),
  backendStatus: z.string().optional(),
  returnCode: z.int().optional(),
  start: z.string().optional(),
  end: z.string().optional(),
  jobId: z.string().optional(),
  callRoot: z.string().optional(),
  stdout: z.string().optional(),
  failures: z.array(failure).optional(),
})

const workflow = z.object({
  id: z.string().optional(),
  status: z.string().optional(),
  submission: z.string().optional(),
  start: z.string().optional(),
  end: z.string().optional(),
  /** A value is an object where its key has a colon. */
  labels: z.record(z.string(), z.unknown()).optional(),
  outputs: z.record(z.string(), z.unknown()).optional(),
  failures: z.array(failure).optional(),
  /** The attempts of each call, by its full name. */
  calls: z.record(z.string(), z.array(attempt)).optional(),
  metadataArchiveStatus: z.string().optional(),
})
/** A workflow, as far as the answer has it: metadata holds all that was asked for, a row of a query no outputs, failures and calls. */
export type Workflow = z.infer<typeof workflow>
export type CallAttempt = z.infer<typeof attempt>

const rows = z.object({ results: z.array(workflow.extend({ id: z.uuid() })), totalResultsCount: z.int() })
export type WorkflowRow = z.infer<typeof rows>['results'][number]

/** The parts of a submission, each as text. */
export type SubmissionParts = Readonly<Record<string, string>>
export type Submission = { id: string; status: string } | { refused: string; status: 400 | 413 }

/** The conditions of a query: several ids are alternatives, several labels must all hold. */
export type QueryPart = Readonly<Record<string, string>>

/** Every function throws EngineSilent, or EngineAnswer for an answer that Cromwell does not give: 5xx, another's 404, something that is not JSON. */
export interface CromwellApi {
  /** A 400 may be the server's own trouble: it is what a database that does not answer looks like, too. */
  submit(parts: SubmissionParts, signal: AbortSignal): Promise<Submission>
  /** undefined: no workflow with this id is in progress. It has ended, or is not known. */
  abort(id: string, signal: AbortSignal): Promise<'Aborted' | 'Aborting' | undefined>
  /** `not held`: it has been released or aborted. undefined: the summary does not have it. */
  releaseHold(id: string, signal: AbortSignal): Promise<'released' | 'not held' | undefined>
  /** What the keys that begin with one of `keys` hold. undefined: the summary does not have the workflow. */
  metadata(id: string, keys: readonly string[], signal: AbortSignal): Promise<Workflow | undefined>
  /** The labels that the summary has; undefined: it does not have the workflow. */
  labels(id: string, signal: AbortSignal): Promise<Record<string, string> | undefined>
  /** Adds labels. `archived`: its metadata has been archived and takes no more. undefined: the summary does not have the workflow. */
  label(id: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<'labelled' | 'archived' | undefined>
  /** What the summary has; newest first, as far as Cromwell keeps an order. `at`: the server's clock in ms, up to a second later, since it tells whole ones. */
  query(parts: readonly QueryPart[], signal: AbortSignal): Promise<{ rows: WorkflowRow[]; total: number; at: number }>
  version(signal: AbortSignal): Promise<string>
}

export function cromwellApi(transport: Transport): CromwellApi {
  async function ask(question: Question): Promise<{ answer: Answer; json: unknown }> {
    const answer = await transport.ask(question)
    if (answer.status >= 500 || answer.status === 401) throw unexpected(question, answer)
    return { answer, json: jsonOf(question, answer) }
  }

  /** The answer if it is 2xx; undefined if Cromwell itself says 404 in these words. */
  async function known<T>(question: Question, schema: z.ZodType<T>, says: Says): Promise<T | undefined> {
    const { answer, json } = await ask(question)
    if (answer.status === 404 && says(messageOf(json))) return undefined
    return read(question, answer, json, schema)
  }

  const at = (id: string, what: string): string => `${WORKFLOWS}/${id}/${what}`

  return {
    async submit(parts, signal) {
      const question: Question = { method: 'POST', path: WORKFLOWS, ...multipart(parts, randomBytes(18).toString('hex')), signal }
      const answer = await transport.ask(question)
      if (answer.status === 413) return { status: 413, refused: answer.text.slice(0, 500) }
      const json = answer.status < 500 ? jsonOf(question, answer) : undefined
      if (answer.status === 400) return { status: 400, refused: read(question, { ...answer, status: 200 }, json, told).message }
      return read(question, answer, json, accepted)
    },

    async abort(id, signal) {
      const answer = await known({ method: 'POST', path: at(id, 'abort'), signal }, z.object({ status: z.enum(['Aborted', 'Aborting']) }), isNotInProgress)
      return answer?.status
    },

    async releaseHold(id, signal) {
      const question: Question = { method: 'POST', path: at(id, 'releaseHold'), signal }
      const { answer, json } = await ask(question)
      if (answer.status === 403 && isNotHeld(messageOf(json))) return 'not held'
      if (answer.status === 404 && isUnrecognized(messageOf(json))) return undefined
      read(question, answer, json, accepted)
      return 'released'
    },

    metadata(id, keys, signal) {
      const query = keys.map((key) => `includeKey=${encodeURIComponent(key)}`).join('&')
      return known({ method: 'GET', path: `${at(id, 'metadata')}?${query}`, signal }, workflow, isUnrecognized)
    },

    async labels(id, signal) {
      const schema = z.object({ labels: z.record(z.string(), z.string()) })
      return (await known({ method: 'GET', path: at(id, 'labels'), signal }, schema, isUnrecognized))?.labels
    },

    async label(id, labels, signal) {
      const question: Question = { method: 'PATCH', path: at(id, 'labels'), body: labels, signal }
      const { answer, json } = await ask(question)
      if (answer.status === 404 && isUnrecognized(messageOf(json))) return undefined
      if (answer.status === 400 && z.object({ metadataArchiveStatus: z.string() }).safeParse(json).success) return 'archived'
      read(question, answer, json, z.object({ id: z.uuid() }))
      return 'labelled'
    },

    async query(parts, signal) {
      const question: Question = { method: 'POST', path: `${WORKFLOWS}/query`, body: parts, signal }
      const { answer, json } = await ask(question)
      const { results, totalResultsCount } = read(question, answer, json, rows)
      const date = Date.parse(answer.headers.date ?? '')
      return { rows: results, total: totalResultsCount, at: Number.isNaN(date) ? Date.now() : date + 999 }
    },

    async version(signal) {
      const question: Question = { method: 'GET', path: '/engine/v1/version', signal }
      const { answer, json } = await ask(question)
      return read(question, answer, json, z.object({ cromwell: z.string() })).cromwell
    },
  }
}

/** Whether it is Cromwell that says so, and no proxy in front of it. */
type Says = (message: string) => boolean
const isUnrecognized: Says = (message) => message.startsWith('Unrecognized workflow ID')
const isNotInProgress: Says = (message) => message.startsWith("Couldn't abort ")
const isNotHeld: Says = (message) => message.startsWith("Couldn't change status of workflow")

const messageOf = (json: unknown): string => told.safeParse(json).data?.message ?? ''

function unexpected({ method, path }: Question, { status, text }: Answer): EngineAnswer {
  return new EngineAnswer(`${method} ${path}: ${status} ${text.slice(0, 200)}`, status)
}

function read<T>(question: Question, answer: Answer, json: unknown, schema: z.ZodType<T>): T {
  if (answer.status < 200 || answer.status > 299) throw unexpected(question, answer)
  const { data, error } = schema.safeParse(json)
  if (error !== undefined) throw new EngineAnswer(`${question.method} ${question.path}: ${z.prettifyError(error)}`, answer.status, undefined, error)
  return data
}

/** A form of text parts (RFC 7578). Throws if a part holds the boundary, which is not to be guessed. */
export function multipart(parts: SubmissionParts, boundary: string): { body: string; headers: Record<string, string> } {
  if (Object.values(parts).some((text) => text.includes(boundary))) throw new Error('a part of the form holds its boundary')
  const body = Object.entries(parts).map(([name, text]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`)
  return { body: `${body.join('')}--${boundary}--\r\n`, headers: { 'content-type': `multipart/form-data; boundary=${boundary}` } }
}
