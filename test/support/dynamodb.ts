import { randomBytes } from 'node:crypto'
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb'
import { startDynamoDb } from '../../infra/local/dynamodb.ts'
import { ensureTable } from '../../infra/local/table.ts'

/** A DynamoDB for a test file: the one that AWS_ENDPOINT_URL_DYNAMODB names, or dynalite in memory, with tables of its own. */
export interface TestDynamoDb {
  name: string
  url: string
  client(config?: DynamoDBClientConfig): DynamoDBClient
  /** A fresh table. */
  table(): Promise<string>
  stop(): Promise<void>
}

export async function testDynamoDb(): Promise<TestDynamoDb> {
  const external = process.env.AWS_ENDPOINT_URL_DYNAMODB
  const service = external === undefined ? await startDynamoDb() : { url: external, stop: () => Promise.resolve() }
  const clients: DynamoDBClient[] = []
  const client = (config: DynamoDBClientConfig = {}): DynamoDBClient => {
    const made = new DynamoDBClient({
      region: 'us-east-1',
      endpoint: service.url,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      ...config,
    })
    clients.push(made)
    return made
  }
  return {
    name: external === undefined ? 'dynalite' : 'AWS_ENDPOINT_URL_DYNAMODB',
    url: service.url,
    client,
    async table() {
      const name = `pman-test-${randomBytes(6).toString('hex')}`
      await ensureTable(client(), name)
      return name
    },
    async stop() {
      clients.forEach((each) => each.destroy())
      await service.stop()
    },
  }
}
