import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { parse } from 'yaml'
import { startDynamoDb } from '../../infra/local/dynamodb.ts'
import { ensureTable, tableDefinition } from '../../infra/local/table.ts'

const file = join(import.meta.dirname, '..', '..', 'infra', 'dynamodb.yml')
const { Properties: properties } = (parse(readFileSync(file, 'utf8')) as { Resources: { JobsTable: { Properties: Record<string, unknown> } } }).Resources
  .JobsTable

/** How a table is kept, which only AWS plays. */
const ON_AWS_ALONE = ['TimeToLiveSpecification', 'PointInTimeRecoverySpecification', 'SSESpecification', 'DeletionProtectionEnabled']

test('the table of this machine is that of the deployment, but for its name and how it is kept', () => {
  const definition = tableDefinition('mine')
  const { TableName: name, ...shape } = definition
  expect(name).toBe('mine')
  expect(Object.keys(properties).sort()).toEqual([...Object.keys(definition), ...ON_AWS_ALONE].sort())
  for (const [field, value] of Object.entries(shape)) expect(value).toEqual(properties[field])
})

test('it is made with its indexes, and asked for again stays as it is', async () => {
  const { url, stop } = await startDynamoDb()
  const client = new DynamoDBClient({ endpoint: url, region: 'us-east-1', credentials: { accessKeyId: 'x', secretAccessKey: 'x' } })
  try {
    await Promise.all([ensureTable(client, 'jobs-table'), ensureTable(client, 'jobs-table')])
    await ensureTable(client, 'jobs-table')
    const { Table } = await client.send(new DescribeTableCommand({ TableName: 'jobs-table' }))
    expect(Table?.TableStatus).toBe('ACTIVE')
    expect(Table?.KeySchema?.map(({ AttributeName }) => AttributeName)).toEqual(['pk', 'sk'])
    const indexes = Table?.GlobalSecondaryIndexes?.map(({ IndexName, Projection }) => [IndexName, Projection?.ProjectionType])
    expect(indexes?.sort()).toEqual([
      ['jobs', 'INCLUDE'],
      ['work', 'KEYS_ONLY'],
    ])
  } finally {
    client.destroy()
    await stop()
  }
})
