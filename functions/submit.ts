import { app } from '../lib/app.ts'
import { pman } from '../lib/dialects/pman/index.ts'
import { jsonBody } from '../lib/http/body.ts'
import { http, json } from '../lib/http/handler.ts'

/** POST /api/v1/: a job is accepted, or the same one is already there. */
export const handler = http('submit', pman, async ({ event, principal, compute, log }) => {
  const { jid, spec } = pman.parse(jsonBody(event))
  const { jobs } = await app()
  const job = await jobs(log).submit(principal, { compute, jid }, spec)
  return json(201, pman.render(job))
})
