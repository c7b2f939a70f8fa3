import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Environment } from '../../lib/config.ts'
import { valueOf } from '../../lib/config/environment.ts'
import type { StateFolder } from './state-folder.ts'

export type Variables = Record<string, string>

/** Where AWS's services are, as the environment says it; undefined: to be played on this machine. */
export const endpointsOf = (env: Environment) => ({
  dynamodb: valueOf(env, 'AWS_ENDPOINT_URL_DYNAMODB') ?? valueOf(env, 'AWS_ENDPOINT_URL'),
  secrets: valueOf(env, 'AWS_ENDPOINT_URL_SECRETS_MANAGER') ?? valueOf(env, 'AWS_ENDPOINT_URL'),
})

/** `name=value` of what is there and not empty. */
const present = (env: Environment): Variables =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''))

/** What counts as credentials of one's own; beside them a made-up key would be mixed up with the rest. */
const OWN_CREDENTIALS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE'] as const

/**
 * The credentials for the SDK, and the access key that what is played here asks for. If everything is played here, they are
 * made up, and the machine's own are kept out.
 */
export function credentials(env: Environment): { variables: Variables; accessKey: string | undefined } {
  const { dynamodb, secrets } = endpointsOf(env)
  const own = present(Object.fromEntries(OWN_CREDENTIALS.map((name) => [name, env[name]])))
  if ((dynamodb !== undefined || secrets !== undefined) && Object.keys(own).length > 0) return { variables: own, accessKey: own.AWS_ACCESS_KEY_ID }
  const accessKey = randomBytes(16).toString('hex').toUpperCase()
  return { variables: { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: 'local' }, accessKey }
}

/** Bundled functions do not lie next to it. */
const RUNNER = join(import.meta.dirname, '..', '..', 'lib', 'backends', 'local', 'runner.mjs')

/** Where jobs run: as the environment says, or with the local engine and a storebase in the state folder. */
function compute(env: Variables, folder: StateFolder): Variables {
  if ('PMAN_COMPUTES_SECRET' in env || 'PMAN_COMPUTES_FILE' in env) return {}
  const type = env.CONTAINER_ENV ?? 'local'
  const engine = { CONTAINER_ENV: type, ...(type === 'local' ? { PMAN_LOCAL_DIRECTORY: env.PMAN_LOCAL_DIRECTORY ?? folder.runs, PMAN_LOCAL_RUNNER: RUNNER } : {}) }
  const storage = env.STORAGE_TYPE ?? (type === 'local' && !('VOLUME_NAME' in env) ? 'host' : undefined)
  if (storage === undefined) return engine
  const storebase = storage === 'host' ? { STOREBASE: env.STOREBASE ?? folder.data } : {}
  return { ...engine, STORAGE_TYPE: storage, ...storebase }
}

/** What the server and its functions are given besides endpoints and credentials: what is set, and defaults for what must be. */
export function settings(env: Environment, folder: StateFolder): Variables {
  const set = Object.fromEntries(Object.entries(present(env)).filter(([name]) => !isOurs(name)))
  return {
    AWS_REGION: 'us-east-1',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    JOBS_TABLE: 'pman-local-jobs',
    PMAN_TOKENS_SECRET: 'pman/tokens',
    // Empty: the computes come from the file or from pman's variables.
    PMAN_COMPUTES_SECRET: '',
    ...set,
    ...compute(set, folder),
    PMAN_BUILD_FOLDER: folder.build,
  }
}

/** The functions know a token by its hash alone, and AWS by the credentials that are chosen here. */
const isOurs = (name: string): boolean => name === 'PMAN_TOKEN' || OWN_CREDENTIALS.some((own) => own === name)
