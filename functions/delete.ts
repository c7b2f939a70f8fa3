import { app } from '../lib/app.ts'
import { pman } from '../lib/dialects/pman/index.ts'
import { empty, http } from '../lib/http/handler.ts'

/** DELETE /api/v1/{jid}/: the job is stopped and removed, its jid is free. */
export const handler = http('delete', pman, async ({ principal, compute, jid, log }) => {
  const { jobs } = await app()
  await jobs(log).delete(principal, { compute, jid })
  return empty(204)
})
