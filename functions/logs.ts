import { app } from '../lib/app.ts'
import { pman } from '../lib/dialects/pman/index.ts'
import { bytes, http } from '../lib/http/handler.ts'
import { tailLines } from '../lib/http/query.ts'

/** GET /api/v1/{jid}/logs/?tail=N: the end of the job's output, byte for byte. */
export const handler = http('logs', pman, async ({ event, principal, compute, jid, log }) => {
  const tail = tailLines(event.queryStringParameters?.tail)
  const { jobs } = await app()
  const output = await jobs(log).logs(principal, { compute, jid }, tail)
  return bytes(200, 'text/plain; charset=utf-8', output.bytes, { 'x-log-truncated': String(output.truncated) })
})
