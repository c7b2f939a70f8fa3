/**
 * The routes of each function, for the default compute and for a named one.
 * On AWS `/x` does not take `/x/`, and no route may end in a slash, so each is declared again with an empty rest: `/x/{slash+}`.
 * What a client puts there in earnest is not found. serverless-offline drops slashes itself, and infra/local/plugin.cjs the twins.
 */
const BASES = ['/api/v1', '/{compute}/api/v1']

/** @type {Record<string, [method: string, tail: string]>} */
const VERBS = {
  hello: ['GET', ''],
  submit: ['POST', ''],
  status: ['GET', '/{jid}'],
  delete: ['DELETE', '/{jid}'],
  logs: ['GET', '/{jid}/logs'],
}

/** @param {[string, string]} verb */
const events = ([method, tail]) =>
  BASES.flatMap((base) => [`${base}${tail}`, `${base}${tail}/{slash+}`]).map((path) => ({
    httpApi: { method, path, authorizer: { name: 'tokens' } },
  }))

module.exports = Object.fromEntries(Object.entries(VERBS).map(([name, verb]) => [name, events(verb)]))
