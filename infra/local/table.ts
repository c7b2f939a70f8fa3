import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateTableCommand,
  DescribeTableCommand,
  ResourceInUseException,
  ResourceNotFoundException,
  waitUntilTableExists,
  type CreateTableCommandInput,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb'
import { parse } from 'yaml'

const FILE = join(import.meta.dirname, '..', 'dynamodb.yml')

/** What CreateTable takes and dynalite has; how a table is kept (expiry, backups, protection) is AWS's matter. */
const FIELDS = ['AttributeDefinitions', 'KeySchema', 'GlobalSecondaryIndexes', 'BillingMode'] as const

/** The table of infra/dynamodb.yml, to be made under a name of one's own. */
export function tableDefinition(tableName: string): CreateTableCommandInput {
  const template = parse(readFileSync(FILE, 'utf8')) as { Resources: { JobsTable: { Properties: CreateTableCommandInput } } }
  const properties = template.Resources.JobsTable.Properties
  return { TableName: tableName, ...Object.fromEntries(FIELDS.map((field) => [field, properties[field]])) }
}

/** Makes the table unless it is there. */
export async function ensureTable(client: DynamoDBClient, tableName: string): Promise<void> {
  try {
    await client.send(new DescribeTableCommand({ TableName: tableName }))
    return
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error
  }
  try {
    await client.send(new CreateTableCommand(tableDefinition(tableName)))
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error
  }
  await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 0.1, maxDelay: 1 }, { TableName: tableName })
}
