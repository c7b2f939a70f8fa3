import { app } from '../lib/app.ts'
import { pman } from '../lib/dialects/pman/index.ts'
import { http, json } from '../lib/http/handler.ts'

/** GET /api/v1/{jid}/: the job's state and the end of its log. */
export const handler = http('status', pman, async ({ principal, compute, jid, log }) => {
  const { jobs } = await app()
  const job = await jobs(log).status(principal, { compute, jid })
  return json(200, pman.render(job))
})
