/**
 * Coded domain errors. Nothing here knows HTTP: lib/http/errors.ts maps each code to a status.
 * A message names what is wrong and what would be right; it is shown to callers and never holds a secret.
 */
export const ERROR_CODES = [
  'invalid', // the request's content; `fields` names what and why
  'unsupported_media', // not a JSON body
  'too_large', // the body
  'method_not_allowed',
  'forbidden', // known caller, not allowed
  'not_found',
  'conflict', // the jid is in use by another submission; `fields` names what differs
  'engine_rejected', // the engine will not take this job
  'engine_unavailable', // the engine could not be asked
  'store_unavailable',
  'secrets_unavailable',
  'secret_missing',
  'unreadable_record', // corrupt, or of another schema version
  'config', // the deployment's own settings
  'internal',
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

/** Codes after which the very same request may succeed later. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set(['engine_unavailable', 'store_unavailable', 'secrets_unavailable', 'internal'])

export interface ErrorDetails {
  /** Field name -> what is wrong with it and what would be right. */
  fields?: Readonly<Record<string, string>>
  /** For method_not_allowed: the methods that the path has. */
  allow?: readonly string[]
  cause?: unknown
}

/** The one error class of the project's own failures. Anything else that is thrown is a defect and becomes `internal`. */
export class PmanError extends Error {
  readonly code: ErrorCode
  readonly fields: Readonly<Record<string, string>> | undefined
  readonly allow: readonly string[] | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'PmanError'
    this.code = code
    this.fields = details.fields
    this.allow = details.allow
  }

  /** May the same request be sent again as it is? */
  get transient(): boolean {
    return TRANSIENT.has(this.code)
  }
}

/** The request's content is refused; `fields` is never empty. */
export function invalid(fields: Readonly<Record<string, string>>): PmanError {
  const text = Object.entries(fields).map(([field, why]) => `${field}: ${why}`)
  return new PmanError('invalid', text.join('; '), { fields })
}

/** A short text of anything that was thrown, for logs and for `message`. */
export function errorText(error: unknown): string {
  // by its shape: an error of another realm, as in a test, is no instance of Error
  const { code, message, name } = Object(error) as { code?: unknown; message?: unknown; name?: unknown }
  if (typeof message !== 'string') return String(error)
  const told = typeof code !== 'string' || error instanceof PmanError || message.startsWith(code)
  const prefix = told ? '' : `${code}: `
  return `${prefix}${message || String(name)}`
}
