import { PmanError, type ErrorCode } from '../errors.ts'

/** Seconds after which the same request may be sent again. */
const RETRY_AFTER = 5

/** The one place that knows status numbers. pman's client cannot take 402 or 507, and a POST must not answer 200 or 202. */
export const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  too_large: 413,
  unsupported_media: 415,
  engine_rejected: 422,
  internal: 500,
  config: 500,
  secret_missing: 500,
  unreadable_record: 500,
  engine_unavailable: 503,
  secrets_unavailable: 503,
  store_unavailable: 503,
}

/** Anything that was thrown, as one of our errors; what is not ours is a defect, and its text is for the log alone. */
export function asPmanError(error: unknown): PmanError {
  if (error instanceof PmanError) return error
  return new PmanError('internal', 'an error inside this service; its log has more', { cause: error })
}

/** Headers that go with an error; `x-may-repeat` says of each whether the same request may be sent again. */
export function errorHeaders(error: PmanError): Record<string, string> {
  return {
    ...(error.allow === undefined ? {} : { allow: error.allow.join(', ') }),
    ...(STATUS[error.code] === 503 ? { 'retry-after': String(RETRY_AFTER) } : {}),
    'x-may-repeat': error.transient ? 'yes' : 'no',
  }
}
