import { randomBytes } from 'node:crypto'
import { PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { dynamoStore } from '../../../lib/jobs/dynamodb.ts'
import { DEFAULT_TIMING } from '../../../lib/jobs/timing.ts'
import { testDynamoDb, type TestDynamoDb } from '../../support/dynamodb.ts'
import { storeContract } from './suite.ts'

let db: TestDynamoDb
let client: DynamoDBClient
beforeAll(async () => {
  db = await testDynamoDb()
  client = db.client()
})
afterAll(() => db.stop())

const open = async (clock: () => number, table?: string) =>
  dynamoStore({ client, table: table ?? (await db.table()), timing: DEFAULT_TIMING, clock, random: randomBytes })

storeContract(process.env.AWS_ENDPOINT_URL_DYNAMODB === undefined ? 'dynalite' : 'the DynamoDB at AWS_ENDPOINT_URL_DYNAMODB', { open })

describe('items that this release cannot read', () => {
  test.each([
    ['a later schema version', { schemaVersion: { N: '2' }, state: { S: 'running' } }, /schema version 2/],
    ['an unknown state', { schemaVersion: { N: '1' }, state: { S: 'dancing' } }, /state/],
    ['garbage', { schemaVersion: { S: 'x' } }, /cannot be read/],
  ])('%s: an error that says so, and the item stays as it is', async (_, fields, message) => {
    const table = await db.table()
    const store = await open(Date.now, table)
    await client.send(new PutItemCommand({ TableName: table, Item: { pk: { S: 'c#j' }, sk: { S: 'job' }, ...fields } }))
    const key = { compute: 'c', jid: 'j' }
    await expect(store.read(key)).rejects.toMatchObject({ code: 'unreadable_record', message: expect.stringMatching(message) as string })
    await expect(store.write(key, 'test', () => undefined)).rejects.toMatchObject({ code: 'unreadable_record' })
  })
})
