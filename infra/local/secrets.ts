import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { readIfThere, writePrivate } from './private-file.ts'
import { serve, type LocalService, type LoopbackOptions } from './loopback.ts'

interface Secret {
  value: string
  version: string
  /** Seconds since 1970. */
  created: number
}
type Secrets = Map<string, Secret>

interface Input {
  SecretId?: string
  Name?: string
  SecretString?: string
}

/** What Secrets Manager calls the failure. */
class Refused extends Error {
  readonly type: string
  constructor(type: string, message: string) {
    super(message)
    this.type = type
  }
}

const ARN = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:'
const MAX_BODY = 256 * 1024

const described = (name: string, { version }: Secret) => ({ ARN: `${ARN}${name}`, Name: name, VersionId: version })

function named(name: string | undefined): string {
  if (name === undefined || name === '') throw new Refused('ValidationException', 'the name of the secret is missing')
  return name.startsWith(ARN) ? name.slice(ARN.length) : name
}

function put(secrets: Secrets, name: string, value: string | undefined) {
  if (value === undefined) throw new Refused('InvalidParameterException', 'SecretString is missing')
  const secret = { value, version: randomUUID(), created: Date.now() / 1000 }
  secrets.set(name, secret)
  return described(name, secret)
}

function existing(secrets: Secrets, name: string): Secret {
  const secret = secrets.get(name)
  if (secret === undefined) throw new Refused('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
  return secret
}

const READS: Readonly<Record<string, (secrets: Secrets, input: Input) => object>> = {
  GetSecretValue(secrets, { SecretId }) {
    const name = named(SecretId)
    const secret = existing(secrets, name)
    const { value, created } = secret
    return { ...described(name, secret), SecretString: value, CreatedDate: created, VersionStages: ['AWSCURRENT'] }
  },
}

const WRITES: typeof READS = {
  PutSecretValue(secrets, { SecretId, SecretString }) {
    const name = named(SecretId)
    existing(secrets, name)
    return put(secrets, name, SecretString)
  },
  CreateSecret(secrets, { Name, SecretString }) {
    const name = named(Name)
    if (secrets.has(name)) throw new Refused('ResourceExistsException', `The secret ${name} already exists.`)
    return put(secrets, name, SecretString)
  },
}

/** Reads the file anew each time, so that another program may write to it. */
async function act(file: string, action: string, input: Input): Promise<object> {
  const secrets: Secrets = new Map(Object.entries(JSON.parse((await readIfThere(file)) ?? '{}') as Record<string, Secret>))
  const read = READS[action]
  if (read) return read(secrets, input)
  const write = WRITES[action]
  if (!write) throw new Refused('UnknownOperationException', `${action} is not played here`)
  const answer = write(secrets, input)
  await writePrivate(file, `${JSON.stringify(Object.fromEntries(secrets), undefined, 2)}\n`)
  return answer
}

async function bodyOf(request: IncomingMessage): Promise<Input> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY) throw new Refused('ValidationException', 'the request is too large')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as Input
  } catch {
    throw new Refused('SerializationException', 'the body is not JSON')
  }
}

export interface SecretsOptions extends LoopbackOptions {
  /** Holds the values; only its owner may read it. */
  file: string
}

/** Secrets Manager on this machine: as much of its JSON protocol as this project uses. */
export function startSecrets({ file, ...options }: SecretsOptions): Promise<LocalService> {
  // One at a time: each change is a read and a write of the whole file.
  let last: Promise<unknown> = Promise.resolve()
  return serve((request, response) => {
    const action = String(request.headers['x-amz-target'] ?? '').replace(/^secretsmanager\./, '')
    const turn = bodyOf(request).then((input) => {
      const mine = last.then(() => act(file, action, input))
      last = mine.catch(() => undefined)
      return mine
    })
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body))
    turn.then(
      (body) => answer(200, body),
      (error: unknown) => {
        if (error instanceof Refused) answer(400, { __type: error.type, message: error.message })
        else answer(500, { __type: 'InternalServiceError', message: String(error) })
      },
    )
  }, options)
}
