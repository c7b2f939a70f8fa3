import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { dockerApi } from '../../engines/docker-api.ts'
import type { Endpoint } from '../../engines/transport.ts'
import { errorText, PmanError } from '../../errors.ts'
import type { BackendContext } from '../contract.ts'
import { addressOf } from './options.ts'
import type { DockerOptions } from './options.ts'
import type { Session, Sessions } from './types.ts'

/** The text of the compute's secret: PEM texts of the client, and logins of registries. */
const secretSchema = z.strictObject({
  ca: z.string().optional(),
  cert: z.string().optional(),
  key: z.string().optional(),
  registries: z.record(z.string(), z.strictObject({ username: z.string(), password: z.string() })).default({}),
})
type Secret = z.infer<typeof secretSchema>

type Where = Pick<DockerOptions, 'host' | 'insecure' | 'certPath'>
type Tls = NonNullable<Endpoint['tls']>

/** Makes the client when it is first needed, and again when the secret's text or the certificates' files are others. */
export function sessions(options: Where, credentials: BackendContext['credentials']): Sessions {
  let made: { key: string; session: Session } | undefined
  return async (how) => {
    const text = await credentials(how)
    const secret = parseSecret(text)
    const tls = options.certPath === undefined ? tlsOf(secret) : await readCertificates(options.certPath)
    const key = JSON.stringify([text, tls])
    if (made?.key !== key) {
      // The old client is not closed: a call may still be under way on it.
      made = { key, session: { api: dockerApi(endpointOf(options, tls)), registries: new Map(Object.entries(secret.registries)) } }
    }
    return made.session
  }
}

/** Throws PmanError `config`; what the secret holds is never told. */
function parseSecret(text: string | undefined): Secret {
  if (text === undefined) return { registries: {} }
  const { data, error } = secretSchema.safeParse(parsed(text))
  if (data !== undefined && (data.cert === undefined) === (data.key === undefined)) return data
  const where = error?.issues.map(({ path }) => path.join('.')).find((path) => path !== '')
  const wrong = data === undefined ? (where === undefined ? '' : `; ${where} is wrong`) : '; cert and key go together'
  throw new PmanError('config', `the secret of this compute must be JSON: {"ca", "cert", "key", "registries": {host: {"username", "password"}}}${wrong}`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const tlsOf = ({ ca, cert, key }: Secret): Tls => ({ ca, cert, key })

/** The folder that the docker command calls DOCKER_CERT_PATH. Throws PmanError `config`. */
async function readCertificates(directory: string): Promise<Tls> {
  try {
    const [ca, cert, key] = await Promise.all(['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFile(join(directory, name), 'utf8')))
    return { ca, cert, key }
  } catch (error) {
    throw new PmanError('config', `options.certPath: ${errorText(error)}`, { cause: error })
  }
}

/** Throws PmanError `config` for what `optionProblems` names. */
function endpointOf(options: Where, tls: Tls): Endpoint {
  const address = addressOf(options)
  if (address === undefined) throw new PmanError('config', 'options.host: is no address')
  if ('socketPath' in address) return { baseUrl: 'http://docker', socketPath: address.socketPath }
  return { baseUrl: address.url, ...(address.tls ? { tls } : {}) }
}
