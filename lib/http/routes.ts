import { PmanError } from '../errors.ts'

/**
 * The paths of the HTTP API and their methods, for the answers to what no route takes. serverless.yml declares the same
 * routes; a test holds the two against each other. `$default` has no path parameters, so its raw path is matched here, and
 * only to choose between 404 and 405.
 */
const PATHS: readonly { path: RegExp; allow: readonly string[] }[] = [
  { path: /^(?:\/[^/]+)?\/api\/v1\/?$/, allow: ['GET', 'POST', 'OPTIONS'] },
  { path: /^(?:\/[^/]+)?\/api\/v1\/[^/]+\/?$/, allow: ['GET', 'DELETE', 'OPTIONS'] },
  { path: /^(?:\/[^/]+)?\/api\/v1\/[^/]+\/logs\/?$/, allow: ['GET', 'OPTIONS'] },
]

/** The methods that a path takes; undefined: there is no such path. */
export function allowedMethods(rawPath: string): readonly string[] | undefined {
  return PATHS.find(({ path }) => path.test(rawPath))?.allow
}

/** What answers a method that a path does not take; `not_found` where there is no such path. */
export function methodNotAllowed(rawPath: string): PmanError {
  const allow = allowedMethods(rawPath)
  if (allow === undefined) return new PmanError('not_found', 'there is no such path')
  return new PmanError('method_not_allowed', `this path takes ${allow.join(', ')}`, { allow })
}
