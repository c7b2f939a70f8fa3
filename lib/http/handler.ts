import middy from '@middy/core'
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda'
import type { Dialect } from '../dialects/dialect.ts'
import { PmanError } from '../errors.ts'
import { normaliseJid } from '../jobs/jid.ts'
import type { Principal } from '../jobs/types.ts'
import { rootLog, type Log } from '../log.ts'
import { asPmanError, errorHeaders, STATUS } from './errors.ts'
import { fromContext } from './principal.ts'
import { methodNotAllowed } from './routes.ts'

/** What a function's own code is given of a request. */
export interface Request {
  event: APIGatewayProxyEventV2
  principal: Principal
  /** As the path has it; `default` on the routes without one. */
  compute: string
  /** As the path has it, without the slash that pman drops. */
  jid: string
  log: Log
}

export type Response = APIGatewayProxyStructuredResultV2

export const json = (statusCode: number, body: unknown, headers: Record<string, string> = {}): Response => ({
  statusCode,
  headers: { ...headers, 'content-type': 'application/json' },
  body: `${JSON.stringify(body)}\n`,
})
export const empty = (statusCode: number, headers: Record<string, string> = {}): Response => ({ statusCode, headers })

export const bytes = (statusCode: number, type: string, body: Uint8Array, headers: Record<string, string> = {}): Response => ({
  statusCode,
  headers: { ...headers, 'content-type': type },
  body: Buffer.from(body).toString('base64'),
  isBase64Encoded: true,
})

export type Event = APIGatewayProxyEventV2 & { requestContext: { authorizer?: { lambda?: unknown } } }
/** What middy hands to a middleware. */
interface Answering {
  event: Event
  context: Context
  response: Response | null
  error: Error | null
  internal: { log?: Log; begun?: number }
}

/**
 * The middleware stack of every HTTP function: a log line per request, and each error in the dialect's form with its status.
 * A handler never throws: offline that would be an answer of 200.
 */
export function open(fn: string, dialect: Dialect, answer: (event: Event, log: Log) => Promise<Response>) {
  return middy<Event, Response, Error, Context, Answering['internal']>()
    .use({
      before: ({ context, internal }: Answering) => {
        internal.begun = Date.now()
        internal.log = requestLog(fn, context)
      },
      after: (request: Answering) => answered(request),
      onError: (request: Answering) => {
        const error = asPmanError(request.error)
        request.response = json(STATUS[error.code], dialect.renderError(error), errorHeaders(error))
        answered(request, error)
      },
    })
    .handler((event: Event, context: Context) => answer(event, requestLog(fn, context)))
}

/** As `open`, for an authenticated caller; 404 for a path that goes on behind its route. */
export function http(fn: string, dialect: Dialect, answer: (request: Request) => Promise<Response>) {
  return open(fn, dialect, async (event, log) => {
    const { slash = '', compute = 'default', jid = '' } = event.pathParameters ?? {}
    // serverless-offline takes HEAD for GET; on AWS a route's `{slash+}` takes what has no route of its own
    if (event.requestContext.http.method === 'HEAD' || slash !== '') throw methodNotAllowed(event.rawPath)
    const principal = fromContext(event.requestContext.authorizer?.lambda)
    if (principal === undefined) throw new PmanError('forbidden', 'this request came without an authenticated caller')
    return answer({ event, principal, compute, jid: normaliseJid(jid), log })
  })
}

const requestLog = (fn: string, { awsRequestId }: Context): Log => rootLog.child({ fn, reqId: awsRequestId })

function answered({ event, response, internal }: Answering, error?: PmanError): void {
  const { method } = event.requestContext.http
  const { compute, jid } = event.pathParameters ?? {}
  const ms = Date.now() - (internal.begun ?? Date.now())
  const fields = { method, compute, jid, status: response?.statusCode, ms }
  if (error === undefined) internal.log?.('answered', fields)
  else if (error.transient || error.cause !== undefined) internal.log?.error('answered', { ...fields, code: error.code, error })
  else internal.log?.('answered', { ...fields, code: error.code, error: error.message })
}
