import type { PmanError } from '../errors.ts'
import type { JobRecord, JobSpec } from '../jobs/types.ts'

/** A submission, read from one wire format. */
export interface Submission {
  jid: string
  spec: JobSpec
}

/** What a caller is shown of a job. */
export interface JobView {
  record: JobRecord
  /** The whole argv, wherever it is kept. */
  argv: readonly string[]
  log: Uint8Array
}

/** One wire format: parses a request into a JobSpec, renders a job and an error. Pure. */
export interface Dialect {
  /** Throws PmanError `invalid`, naming every field that is wrong at once. */
  parse(body: unknown): Submission
  render(view: JobView): unknown
  renderError(error: PmanError): unknown
  /** The word that this format has for a field of the spec. */
  fieldName(field: keyof JobSpec): string
}
