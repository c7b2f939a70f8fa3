import { pman } from '../lib/dialects/pman/index.ts'
import { empty, open } from '../lib/http/handler.ts'
import { allowedMethods, methodNotAllowed } from '../lib/http/routes.ts'

/** What no route takes: 404, 405 with the methods that the path has, OPTIONS. It needs no token and tells nothing of any job. */
export const handler = open('fallback', pman, async ({ rawPath, requestContext }) => {
  const allow = allowedMethods(rawPath)
  if (allow === undefined || requestContext.http.method !== 'OPTIONS') throw methodNotAllowed(rawPath)
  return empty(204, { allow: allow.join(', ') })
})
