import { randomBytes } from 'node:crypto'
import { DynamoDBClient, ProvisionedThroughputExceededException } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocumentClient, GetCommand, PutCommand, QueryCommand } from '@aws-sdk/lib-dynamodb'
import { mockClient } from 'aws-sdk-client-mock'
import { dynamoStore } from '../../lib/jobs/dynamodb.ts'
import type { JobStore } from '../../lib/jobs/store.ts'
import { DEFAULT_TIMING } from '../../lib/jobs/timing.ts'
import type { JobKey, JobRecord } from '../../lib/jobs/types.ts'
import * as writes from '../../lib/jobs/writes.ts'
import { testDynamoDb, type TestDynamoDb } from '../support/dynamodb.ts'
import { record } from '../support/records.ts'

const key: JobKey = { compute: 'here', jid: 'job-1' }
const storeOn = (client: DynamoDBClient, table: string): JobStore =>
  dynamoStore({ client, table, timing: DEFAULT_TIMING, clock: Date.now, random: randomBytes })

const begin = (jid = 'job-1') => intentOf(jid, undefined)
const intentOf = (jid: string, read: JobRecord | undefined) =>
  writes.intent(read, {
    key: { ...key, jid },
    specHash: 'h',
    requestId: 'r',
    image: 'i',
    auid: 'a',
    command: [],
    timeLimit: undefined,
    warnings: [],
    engineName: 'n',
    epoch: 'e',
    leaseUntil: 0,
  })

describe('a table that does not answer as it should', () => {
  const mock = mockClient(DynamoDBDocumentClient)
  const store = storeOn(new DynamoDBClient({ region: 'us-east-1' }), 'jobs')
  afterEach(() => mock.reset())
  afterAll(() => mock.restore())

  const throttled = new ProvisionedThroughputExceededException({ message: 'slow down', $metadata: {} })
  const down = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const slow = Object.assign(new Error('no answer within 3000 ms'), { name: 'TimeoutError' })

  test.each([
    ['throttled', throttled],
    ['down', down],
    ['slow', slow],
  ])('%s: every call says that the same may be sent again, and keeps the cause', async (_, cause) => {
    mock.onAnyCommand().rejects(cause)
    const calls = [
      store.read(key),
      store.readWithLog(key, 10),
      store.write(key, 'test', begin()),
      store.due('here', 0, 10),
      store.list('here', 10),
      store.deployment(),
      store.putLog(key, 1, 'c', { bytes: new Uint8Array(), truncated: false }),
      store.sweepItems(key, 'none'),
    ]
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'store_unavailable', transient: true, cause })
  })

  test('every read of a job by its key is consistent', async () => {
    mock.onAnyCommand().resolves({})
    await store.read(key)
    await store.readWithLog(key, 10)
    await store.getRequest(key, { generation: 1, requestId: 'r' })
    const reads = [...mock.commandCalls(GetCommand), ...mock.commandCalls(QueryCommand)]
    expect(reads).toHaveLength(3)
    for (const { args } of reads) expect(args[0].input.ConsistentRead).toBe(true)
  })

  test('the status of a job is one query', async () => {
    mock.onAnyCommand().resolves({})
    await store.readWithLog(key, 10)
    expect(mock.calls()).toHaveLength(1)
  })

  test('a write that starts from a record just read is one put', async () => {
    mock.onAnyCommand().resolves({})
    const read = record({ leaseUntil: 0 })
    const { applied } = await store.write(key, 'test', writes.takeOver({ epoch: read.epoch, newEpoch: 'e', leaseUntil: 1 }), read)
    expect(applied).toBe(true)
    expect(mock.calls()).toHaveLength(1)
    expect(mock.commandCalls(PutCommand)[0]?.args[0].input).toMatchObject({
      ConditionExpression: 'writeId = :basis',
      ExpressionAttributeValues: { ':basis': read.writeId },
    })
  })

  test('a record that changes without end is given up on', async () => {
    let n = 0
    mock.on(GetCommand).callsFake(() => ({ Item: { pk: 'here#job-1', sk: 'job', ...record({ writeId: `w${n++}`, leaseUntil: 0 }) } }))
    mock.on(PutCommand).rejects(Object.assign(new Error('x'), { name: 'ConditionalCheckFailedException' }))
    await expect(store.write(key, 'test', writes.takeOver({ epoch: 'epoch-1', newEpoch: 'e', leaseUntil: 1 }))).rejects.toMatchObject({
      code: 'store_unavailable',
    })
  })
})

describe('a write whose answer is lost', () => {
  let db: TestDynamoDb
  let table: string
  beforeAll(async () => {
    db = await testDynamoDb()
    table = await db.table()
  })
  afterAll(() => db.stop())

  /** A client that carries out the first `count` puts and then loses their answers, so that the SDK sends them again. */
  function losing(count: number, between: () => Promise<void> = () => Promise.resolve()): { client: DynamoDBClient; lost: () => number } {
    const client = db.client({ maxAttempts: 3 })
    let lost = 0
    client.middlewareStack.add(
      (next, context) => async (args) => {
        const answer = await next(args)
        if (context.commandName !== 'PutItemCommand' || lost >= count) return answer
        lost++
        await between()
        throw Object.assign(new Error('socket hang up'), { name: 'TimeoutError', code: 'ECONNRESET', $retryable: {} })
      },
      { step: 'deserialize', name: 'loseAnswer', priority: 'low' },
    )
    return { client, lost: () => lost }
  }

  test('is found again by its id: applied, and made once', async () => {
    const { client, lost } = losing(1)
    const store = storeOn(client, table)
    const { applied, record: made } = await store.write({ ...key, jid: 'lost-1' }, 'test', begin('lost-1'))
    expect(lost()).toBe(1)
    expect(applied).toBe(true)
    expect(made?.history).toHaveLength(1)
    expect(await store.read({ ...key, jid: 'lost-1' })).toEqual(made)
  })

  test('is found in the history where others have written since', async () => {
    const jid = 'lost-2'
    const plain = storeOn(db.client(), table)
    const { client, lost } = losing(1, async () => {
      await plain.write({ ...key, jid }, 'other', writes.cancel({ engineName: 'n', epoch: 'e2', reason: 'CancelRequested' }))
    })
    const { applied, record: now } = await storeOn(client, table).write({ ...key, jid }, 'test', begin(jid))
    expect(lost()).toBe(1)
    expect(applied).toBe(true)
    expect(now).toMatchObject({ state: 'cancelling', epoch: 'e2' })
  })

  test('does not come back: what others have read stays what they have read', async () => {
    const jid = 'lost-4'
    const plain = storeOn(db.client(), table)
    const at = { ...key, jid }
    await plain.write(at, 'first', begin(jid))
    await plain.write(at, 'first', writes.remove({ engineName: 'n', epoch: 'e2' }))
    let read: Awaited<ReturnType<JobStore['read']>>
    const { client } = losing(1, async () => {
      read = await plain.read(at)
      await plain.write(at, 'second', intentOf(jid, read))
    })
    const touch: writes.Row = (current, { writeId }) => current && { ...current, writeId }
    await storeOn(client, table).write(at, 'touching', touch)
    const second = await plain.read(at)
    expect(second?.generation).toBe(2)
    const third = await plain.write(at, 'third', intentOf(jid, read), read)
    expect(third.applied).toBe(false)
    expect(await plain.read(at)).toEqual(second)
  })

  test('of another writer is not taken for one’s own', async () => {
    const jid = 'lost-3'
    const plain = storeOn(db.client(), table)
    await plain.write({ ...key, jid }, 'other', begin(jid))
    const { client } = losing(1)
    const { applied } = await storeOn(client, table).write({ ...key, jid }, 'test', begin(jid))
    expect(applied).toBe(false)
  })
})
