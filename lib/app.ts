/** The composition root: the only place that may import everything. Built once per process; a failed attempt is made again. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { LambdaClient } from '@aws-sdk/client-lambda'
import type { Backend } from './backends/contract.ts'
import { BACKENDS } from './backends/index.ts'
import { loadConfig, serviceFromEnvironment, type ComputeConfig, type Config } from './config.ts'
import { PmanError } from './errors.ts'
import { guardOffline } from './http/guard.ts'
import { findPrincipal, parseCredentials, parseTokenTable } from './http/tokens.ts'
import { circuitBreaker } from './jobs/breaker.ts'
import { cleanup, type CleanupReport } from './jobs/cleanup.ts'
import { systemTimers, type Core } from './jobs/core.ts'
import { dispatchJob } from './jobs/dispatcher.ts'
import { jobService, type JobService } from './jobs/service.ts'
import type { JobKey, Principal } from './jobs/types.ts'
import { logFrom, rootLog, type Log } from './log.ts'
import { fetchFromSecretsManager, secrets, type Secrets } from './secrets.ts'

const env = process.env
if (env.IS_OFFLINE !== undefined) guardOffline(rootLog)

/** What the functions are made of. */
export interface App {
  config: Config
  /** The use cases, their log lines with the ids of one request. */
  jobs: (log: Log) => JobService
  dispatch: (key: JobKey) => Promise<void>
  cleanup: () => Promise<CleanupReport>
}

let built: Promise<App> | undefined
let lambda: LambdaClient | undefined
/** The app of this process. Throws PmanError: `config`, naming every problem, or what the stores throw. */
export function app(): Promise<App> {
  built ??= build().catch((error: unknown) => {
    built = undefined
    throw error
  })
  return built
}

/** Milliseconds for which a secret is served without asking again. */
const SECRET_AGE = 60_000

let store: Secrets | undefined
const secretStore = (): Secrets =>
  (store ??= secrets({ fetch: fetchFromSecretsManager(), clock: Date.now, maxAge: SECRET_AGE, log: rootLog }))

async function build(): Promise<App> {
  const config = await loadConfig(env, { readFile: (path) => readFile(path, 'utf8'), readSecret: (name) => secretStore().read(name) })
  logFrom(config.logLevel)
  for (const warning of config.warnings) rootLog.warn('setting without effect', { warning })
  const { dynamoStore, dynamoClient } = await import('./jobs/dynamodb.ts')
  const { timing, table } = config
  const jobStore = dynamoStore({ client: dynamoClient(), table, timing, clock: Date.now, random: randomBytes })
  const deployment = once(() => jobStore.deployment())
  const backends = new Map<string, () => Promise<Backend>>()
  for (const compute of config.computes.values()) backends.set(compute.name, once(async () => open(compute, await deployment())))
  const firstSeen = new Map<string, number>()
  const core: Core = {
    store: jobStore,
    computes: config.computes,
    defaultCompute: config.defaultCompute,
    backend: (name) => (backends.get(name) ?? unknownCompute)(),
    deployment,
    requestDispatch: invokeDispatch,
    breaker: circuitBreaker(timing, Date.now),
    timing,
    clock: Date.now,
    timers: systemTimers,
    random: randomBytes,
    log: rootLog,
  }
  return {
    config,
    jobs: (log) => jobService({ ...core, log }),
    dispatch: (key) => dispatchJob({ ...core, log: operationLog('dispatch') }, key),
    cleanup: () => cleanup({ ...core, log: operationLog('cleanup') }, firstSeen),
  }
}

/** A log for what no request has asked for. */
const operationLog = (fn: string): Log => rootLog.child({ fn, opId: randomBytes(6).toString('hex') })

/** Asks Lambda to run `dispatch` for a job, and does not wait for it. */
async function invokeDispatch({ compute, jid }: JobKey): Promise<void> {
  const name = env.PMAN_DISPATCH_FUNCTION
  if (name === undefined) throw new PmanError('config', 'PMAN_DISPATCH_FUNCTION is not set')
  const { InvokeCommand, LambdaClient } = await import('@aws-sdk/client-lambda')
  lambda ??= new LambdaClient({ maxAttempts: 2, requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000 } })
  await lambda.send(new InvokeCommand({ FunctionName: name, InvocationType: 'Event', Payload: JSON.stringify({ compute, jid }) }))
}

const unknownCompute = (): Promise<Backend> => Promise.reject(new PmanError('config', 'a job names a compute that is not configured'))

async function open(compute: ComputeConfig, deployment: string): Promise<Backend> {
  const driver = await BACKENDS[compute.type]()
  const { name, storage, options, credentials } = compute
  return driver.open({
    compute: name,
    deployment,
    storage,
    options,
    host: env.AWS_LAMBDA_RUNTIME_API === undefined || env.IS_OFFLINE !== undefined ? 'machine' : 'lambda',
    credentials: async ({ fresh } = { fresh: false }) => credentials && (fresh ? secretStore().refresh(credentials) : secretStore().read(credentials)),
  })
}

/** Calls once, however often it is asked at once; after a failure, again. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () =>
    (made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    }))
}

/** Who may call. */
export interface Access {
  /** The caller that an Authorization header names; undefined: nobody that is known. Throws where the tokens cannot be read. */
  authenticate(header: string | undefined): Promise<Principal | undefined>
}

/** What the authorizer needs, which is the tokens alone: it does not wait for the rest of the app. */
export function access(): Access {
  return {
    async authenticate(header) {
      const token = parseCredentials(header)
      if (token === undefined) return undefined
      const { tokensSecret } = serviceFromEnvironment(env)
      return findPrincipal(parseTokenTable(await secretStore().read(tokensSecret)), token)
    },
  }
}
