import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { invalid, PmanError } from '../errors.ts'

/** Bytes of a request's body. */
export const BODY_LIMIT = 1024 * 1024

const JSON_TYPE = /^application\/(?:[\w.!#$&^-]+\+)?json$/i

/** The JSON body of a request. Throws `unsupported_media`, `too_large`, or `invalid` for `body`. */
export function jsonBody(event: APIGatewayProxyEventV2): unknown {
  const type = (event.headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
  if (!JSON_TYPE.test(type)) {
    throw new PmanError('unsupported_media', `the body must be application/json, not ${type === '' ? 'of no type' : JSON.stringify(type)}`)
  }
  const bytes = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8')
  if (bytes.length > BODY_LIMIT) throw new PmanError('too_large', `the body has ${bytes.length} bytes; at most ${BODY_LIMIT} are taken`)
  if (bytes.length === 0) throw invalid({ body: 'there is none; a JSON object is needed' })
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
  } catch (cause) {
    throw invalid({ body: cause instanceof SyntaxError ? `not JSON: ${cause.message.slice(0, 200)}` : 'not UTF-8' })
  }
}
