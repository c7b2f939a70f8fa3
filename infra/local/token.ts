import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { Environment } from '../../lib/config.ts'
import { valueOf } from '../../lib/config/environment.ts'
import { errorText } from '../../lib/errors.ts'
import { newToken, tokenEntry, type TokenEntry } from '../../lib/http/tokens.ts'
import { clientOptions } from './aws.ts'
import { endpointsOf } from './environment.ts'
import { startSecrets } from './secrets.ts'
import { stateFolder } from './state-folder.ts'
import { NameTaken, putEntry } from './token-entries.ts'

const USAGE = `usage: npm run token -- NAME [--scopes read,write] [--computes a,b] [--add | --aws] [--replace]

  Makes a token for the caller NAME and shows it, this once.
  --scopes    read, write or both, which is the default
  --computes  the computes that it is for; all of them without this
  --add       puts it into the tokens secret of this machine: where AWS_ENDPOINT_URL_SECRETS_MANAGER points to, or else the state folder
  --aws       puts it into the tokens secret of the AWS account that the environment's credentials open
  --replace   revokes the token that NAME has had`

class UsageError extends Error {}

interface Order {
  name: string
  scopes: string[]
  computes: string[] | undefined
  store: 'none' | 'machine' | 'aws'
  replace: boolean
}

function parse(words: string[]): Order {
  const { values, positionals } = (() => {
    try {
      return parseArgs({
        args: words,
        allowPositionals: true,
        options: {
          scopes: { type: 'string', default: 'read,write' },
          computes: { type: 'string' },
          add: { type: 'boolean', default: false },
          aws: { type: 'boolean', default: false },
          replace: { type: 'boolean', default: false },
        },
      })
    } catch (error) {
      throw new UsageError(errorText(error), { cause: error })
    }
  })()
  const [name, ...more] = positionals
  if (name === undefined || more.length > 0) throw new UsageError('one NAME is needed')
  if (values.add && values.aws) throw new UsageError('--add and --aws: one of the two')
  const { replace } = values
  const store = values.aws ? 'aws' : values.add ? 'machine' : 'none'
  return { name, scopes: values.scopes.split(','), computes: values.computes?.split(','), store, replace }
}

function entryOf({ name, scopes, computes }: Order, token: string): TokenEntry {
  try {
    return tokenEntry(token, { name, scopes: scopes as TokenEntry['scopes'], computes })
  } catch (error) {
    throw new UsageError(errorText(error), { cause: error })
  }
}

/** Runs `use` with a client for where the entry shall go. */
async function withClient(order: Order, env: Environment, use: (client: SecretsManagerClient, place: string) => Promise<void>): Promise<void> {
  const { secrets } = endpointsOf(env)
  if (order.store === 'aws' || secrets !== undefined) {
    const client = new SecretsManagerClient(order.store === 'aws' ? {} : clientOptions(env, 'SECRETS_MANAGER'))
    return use(client, order.store === 'aws' ? 'AWS' : String(secrets)).finally(() => client.destroy())
  }
  // The file is read anew at each request, so a server that runs sees it too.
  const folder = stateFolder(valueOf(env, 'PMAN_STATE') ?? '.pman')
  await mkdir(folder.path, { recursive: true, mode: 0o700 })
  const credentials = { accessKeyId: randomUUID(), secretAccessKey: 'local' }
  const local = await startSecrets({ file: folder.secrets, accessKey: credentials.accessKeyId })
  const client = new SecretsManagerClient({ endpoint: local.url, region: 'us-east-1', credentials })
  try {
    await use(client, folder.path)
  } finally {
    client.destroy()
    await local.stop()
  }
}

async function main(words: string[], env: Environment): Promise<void> {
  const order = parse(words)
  const token = newToken()
  const entry = entryOf(order, token)
  if (order.store !== 'none') {
    const secret = valueOf(env, 'PMAN_TOKENS_SECRET') ?? 'pman/tokens'
    await withClient(order, env, async (client, place) => {
      await putEntry(client, secret, entry, order)
      console.error(`The entry is in ${secret} (${place}); the functions see it within a minute.`)
    })
  }
  console.log(`token: ${token}\nentry: ${JSON.stringify(entry)}`)
}

try {
  await main(process.argv.slice(2), process.env)
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`)
  else if (error instanceof NameTaken) console.error(`${error.message}; --replace revokes it`)
  else console.error(`npm run token: ${errorText(error)}`)
  process.exitCode = error instanceof UsageError || error instanceof NameTaken ? 2 : 1
}
