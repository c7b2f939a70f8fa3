import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { parseTokenTable, type TokenEntry } from '../../lib/http/tokens.ts'

/** Another token of the same name is in the secret. */
export class NameTaken extends Error {
  constructor(name: string, secret: string) {
    super(`${secret} has a token for ${name} already`)
    this.name = 'NameTaken'
  }
}

/**
 * Puts a caller into the tokens secret and makes the secret if there is none. With `replace` it takes the place of one of the same
 * name, whose token is refused from then on; otherwise that is NameTaken. Throws PmanError `config` for a secret that needs mending.
 */
export async function putEntry(client: SecretsManagerClient, secret: string, entry: TokenEntry, { replace }: { replace: boolean }): Promise<void> {
  const present = await read(client, secret)
  const entries = entriesOf(present)
  const others = entries.filter(({ name }) => name !== entry.name)
  if (others.length < entries.length && !replace) throw new NameTaken(entry.name, secret)
  const value = JSON.stringify({ tokens: [...others, entry] }, undefined, 2)
  if (value === present) return
  parseTokenTable(value)
  if (present === undefined) await client.send(new CreateSecretCommand({ Name: secret, SecretString: value }))
  else await client.send(new PutSecretValueCommand({ SecretId: secret, SecretString: value }))
}

async function read(client: SecretsManagerClient, secret: string): Promise<string | undefined> {
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secret }))
    return SecretString
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined
    throw error
  }
}

function entriesOf(text: string | undefined): TokenEntry[] {
  if (text === undefined) return []
  parseTokenTable(text)
  return (JSON.parse(text) as { tokens: TokenEntry[] }).tokens
}
