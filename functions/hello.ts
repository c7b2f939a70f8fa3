import { app } from '../lib/app.ts'
import { pman } from '../lib/dialects/pman/index.ts'
import { http, json } from '../lib/http/handler.ts'
import { VERSION } from '../lib/version.ts'

/** GET /api/v1/: the release and the compute's kind. */
export const handler = http('hello', pman, async ({ principal, compute, log }) => {
  const { jobs } = await app()
  const { type, storage } = jobs(log).describe(principal, compute)
  return json(200, { server_version: VERSION, container_env: type, storage_type: storage.type })
})
