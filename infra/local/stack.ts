import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { loadConfig, type Environment } from '../../lib/config.ts'
import { valueOf } from '../../lib/config/environment.ts'
import { newToken, tokenEntry } from '../../lib/http/tokens.ts'
import { fetchFromSecretsManager } from '../../lib/secrets.ts'
import { clientOptions } from './aws.ts'
import { startDynamoDb } from './dynamodb.ts'
import { credentials, endpointsOf, settings, type Variables } from './environment.ts'
import { startLambdaFront } from './lambda.ts'
import { freePort, isFree, LOOPBACK, type LocalService } from './loopback.ts'
import { startSecrets } from './secrets.ts'
import { startServer } from './server.ts'
import { keptToken, stateFolder, takeFolder, type StateFolder } from './state-folder.ts'
import { ensureTable } from './table.ts'
import { putEntry } from './token-entries.ts'

export interface StackOptions {
  /** Kept between starts; made if it is not there. */
  stateDir: string
  /** The settings, in pman's variables and this project's; the SDK's endpoint variables in place of what is played here. */
  env: Environment
  /** A free one without it. */
  port?: number | undefined
  /** The address that the HTTP API is bound to; everything else is on the loopback address. */
  host?: string | undefined
  /** Each line that the server and its functions print; they are all in `logFile` too. */
  onLine?: ((line: string) => void) | undefined
}

export interface Stack {
  /** Without a slash at its end. */
  url: string
  /** May read and write. */
  token: string
  tableUrl: string
  secretsUrl: string
  /** What an SDK client needs to reach the table and the secrets: endpoints, region, credentials. */
  aws: Variables
  /** What the server was given. */
  env: Variables
  logFile: string
  lastLines(): string[]
  /** How the server ended. */
  exited: Promise<string>
  /** Stops everything; what is kept stays in the state folder. */
  stop(): Promise<void>
}

/**
 * The whole service on this machine: DynamoDB and Secrets Manager (each only if the environment has no endpoint for it), a token,
 * and serverless-offline with the functions. Throws, with everything stopped again, if a port or the state folder is taken or
 * the server does not come up.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { env, host = LOOPBACK } = options
  if (options.port !== undefined && !(await isFree(options.port, host))) throw new Error(`port ${options.port} is taken: set PORT`)
  const folder = stateFolder(options.stateDir)
  const undo = [await takeFolder(folder)]
  const stop = async () => {
    // What cannot be stopped must not keep the rest running.
    const failures: unknown[] = []
    for (let step = undo.pop(); step; step = undo.pop()) await step().catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw failures[0]
  }
  try {
    const hidden = await mkdtemp(join(tmpdir(), 'pman-'))
    undo.push(() => rm(hidden, { recursive: true, force: true }))
    const socket = join(hidden, 'lambda.sock')
    const aws = await startAws(env, folder, socket, undo)
    const variables = { ...settings(env, folder), ...aws }
    const token = await keptToken(folder, valueOf(env, 'PMAN_TOKEN'), newToken)
    await prepare(variables, folder, token)

    const port = options.port ?? (await freePort(host))
    const url = `http://${host === '0.0.0.0' || host === '::' ? LOOPBACK : host}:${port}`
    const server = await startServer({ host, port, url, env: variables, socket, logFile: folder.log, onLine: options.onLine })
    undo.push(() => server.stop())
    return {
      url,
      token,
      tableUrl: aws.AWS_ENDPOINT_URL_DYNAMODB ?? '',
      secretsUrl: aws.AWS_ENDPOINT_URL_SECRETS_MANAGER ?? '',
      aws,
      env: variables,
      logFile: folder.log,
      lastLines: () => server.lastLines(),
      exited: server.exited,
      stop,
    }
  } catch (error) {
    await stop().catch(() => undefined)
    throw error
  }
}

type Undo = (() => Promise<void>)[]

async function startAws(env: Environment, folder: StateFolder, socket: string, undo: Undo): Promise<Variables> {
  const { variables, accessKey } = credentials(env)
  const started = async (starting: Promise<LocalService>): Promise<string> => {
    const { url, stop } = await starting
    undo.push(stop)
    return url
  }
  const { dynamodb, secrets } = endpointsOf(env)
  return {
    AWS_REGION: valueOf(env, 'AWS_REGION') ?? 'us-east-1',
    ...variables,
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb ?? (await started(startDynamoDb({ folder: folder.table, accessKey }))),
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets ?? (await started(startSecrets({ file: folder.secrets, accessKey }))),
    AWS_ENDPOINT_URL_LAMBDA: await started(startLambdaFront(socket, { accessKey })),
  }
}

/** Makes what a site must have before its first request: settings that can be used, the table, the token's entry, the storebase. */
async function prepare(env: Variables, folder: StateFolder, token: string): Promise<void> {
  if (env.STOREBASE === folder.data) await mkdir(folder.data, { recursive: true })
  const dynamodb = new DynamoDBClient(clientOptions(env, 'DYNAMODB'))
  const secrets = new SecretsManagerClient(clientOptions(env, 'SECRETS_MANAGER'))
  try {
    await loadConfig(env, { readFile: (path) => readFile(path, 'utf8'), readSecret: fetchFromSecretsManager(secrets) })
    await ensureTable(dynamodb, env.JOBS_TABLE ?? '')
    await putEntry(secrets, env.PMAN_TOKENS_SECRET ?? '', tokenEntry(token, { name: 'local', scopes: ['read', 'write'] }), { replace: true })
  } finally {
    dynamodb.destroy()
    secrets.destroy()
  }
}
