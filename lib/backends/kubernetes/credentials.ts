import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { kubernetesApi, KubernetesApi } from '../../engines/kubernetes-api.ts'
import { KubernetesRefusal } from '../../engines/kubernetes-refusal.ts'
import { errorText, PmanError } from '../../errors.ts'
import type { BackendContext } from '../contract.ts'
import type { KubernetesOptions } from './options.ts'

/** Who the gateway is to the API server. */
export interface Identity {
  server: string
  /** PEM; without it, an authority that Node.js trusts. */
  ca?: string | undefined
  token?: string | undefined
  cert?: string | undefined
  key?: string | undefined
  namespace: string
}

/**
 * Where an identity comes from. `fresh`: the API server has refused the one before. Another kind of credentials, such as a token from a
 * program or from AWS STS for EKS, is one more of these, and a line in `sourceOf`; docs/engines/kubernetes.md tells more.
 */
export type IdentitySource = (how: { fresh: boolean }) => Promise<Identity>

const pem = z.string().regex(/-----BEGIN /, 'must be PEM text')
const secretSchema = z
  .strictObject({
    server: z.string().optional(),
    ca: pem.optional(),
    token: z.string().trim().min(1).optional(),
    cert: pem.optional(),
    key: pem.optional(),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key go together')
  .refine(({ token, cert }) => token !== undefined || cert !== undefined, 'needs a token, or cert and key')

type Context = Pick<BackendContext, 'credentials'>

/** The compute's secret; without one, or where the site says so, the service account of the gateway's own pod, as pman had it. */
export function sourceOf({ credentials }: Context, options: KubernetesOptions): IdentitySource {
  const ownPod = fromServiceAccount(options)
  if (options.inCluster) return ownPod
  return async (how) => {
    const text = await credentials(how)
    return text === undefined ? ownPod(how) : fromSecret(text, options)
  }
}

/** Throws PmanError `config` for a secret that is none. */
function fromSecret(text: string, { server, namespace = '' }: KubernetesOptions): Identity {
  const { data, error } = secretSchema.safeParse(json(text))
  if (error !== undefined) {
    const problems = error.issues.map(({ path, message }) => [...path.map(String), message].join(' '))
    throw new PmanError('config', `the secret of the credentials: ${problems.join('; ')}`)
  }
  const address = (data.server ?? server)?.replace(/\/+$/, '')
  if (address?.startsWith('https://') !== true) {
    throw new PmanError('config', 'options.server, or server in the secret: must be https://host:port')
  }
  return { ...data, server: address, namespace }
}

/** What every cluster with DNS calls its API server inside (Kubernetes, "Accessing the Kubernetes API from a Pod"). */
const IN_CLUSTER = 'https://kubernetes.default.svc'

/** The files that the kubelet keeps in the gateway's pod, read again each time, since it renews the token. */
function fromServiceAccount({ server = IN_CLUSTER, namespace, serviceAccountDirectory }: KubernetesOptions): IdentitySource {
  const file = (name: string) => readFile(join(serviceAccountDirectory, name), 'utf8')
  return async () => {
    try {
      const [ca, token, own] = await Promise.all([file('ca.crt'), file('token'), namespace ?? file('namespace')])
      return { server, ca, token: token.trim(), namespace: own.trim() }
    } catch (error) {
      const found = errorText(error)
      throw new PmanError('config', `credentials: there is no secret, nor a service account of this pod: ${found}`, { cause: error })
    }
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Loaded when it is first needed, so that the functions of other engines do not pay for it; once, for every driver of the process. */
let engine: Promise<{ kubernetesApi: typeof kubernetesApi }> | undefined

/** Asks the API server something, as who the credentials say. */
export type Ask = <T>(question: (api: KubernetesApi) => Promise<T>) => Promise<T>

/**
 * A client that lives as long as the identity stays the same. Credentials that the API server refuses with 401 are read once more, and the
 * question is asked again: a 401 has done nothing. Throws PmanError `engine_unavailable` for 401 and 403, naming the right that is missing.
 */
export function asking(source: IdentitySource): Ask {
  let open: { key: string; api: KubernetesApi } | undefined

  async function client(how: { fresh: boolean }): Promise<KubernetesApi> {
    const identity = await source(how)
    const key = JSON.stringify(identity)
    if (open?.key === key) return open.api
    const { kubernetesApi: opened } = await (engine ??= import('../../engines/kubernetes-api.ts'))
    const { server, ca, cert, key: own, token, namespace } = identity
    open = { key, api: opened({ baseUrl: server, tls: { ca, cert, key: own }, token }, namespace) }
    return open.api
  }

  return async (question) => {
    try {
      return await question(await client({ fresh: false }))
    } catch (error) {
      if (statusOf(error) !== 401) throw denied(error)
    }
    try {
      return await question(await client({ fresh: true }))
    } catch (error) {
      throw denied(error)
    }
  }
}

/** The status of a refusal; undefined for any other error. */
export const statusOf = (error: unknown): number | undefined => (error instanceof KubernetesRefusal ? error.status : undefined)

/** RBAC's words for a right that is missing (Kubernetes, "Authorization"); a 403 of admission has others. */
const MISSING_RIGHT = /\bcannot \S+ resource\b/

function denied(error: unknown): unknown {
  const status = statusOf(error)
  if (status === 401) {
    return new PmanError('engine_unavailable', 'the API server does not accept the credentials of this compute', { cause: error })
  }
  if (status === 403 && MISSING_RIGHT.test(errorText(error))) {
    return new PmanError('engine_unavailable', `a right is missing: ${errorText(error)}`, { cause: error })
  }
  return error
}
