import { ConditionalCheckFailedException, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  type QueryCommandInput,
} from '@aws-sdk/lib-dynamodb'
import { errorText, PmanError } from '../errors.ts'
import {
  fromItem,
  fromLogItems,
  fromRequestItem,
  generationLogs,
  isExpired,
  JOB,
  keyOf,
  LOG_CHUNK,
  logPrefix,
  partition,
  requestKey,
  shardName,
  SHARDS,
  STATUS_RANGE,
  toItem,
  toLogItems,
  toRequestItem,
  type Item,
} from './dynamodb-items.ts'
import { isActive, isFinal } from './lifecycle.ts'
import { nonce, type RandomBytes } from './naming.ts'
import { LIVE_CAPTURE, type JobStore, type JobSummary, type Page, type Written } from './store.ts'
import type { Timing } from './timing.ts'
import type { JobKey, JobRecord, LogTail } from './types.ts'
import type { Row } from './writes.ts'

export interface DynamoStoreOptions {
  client: DynamoDBClient
  table: string
  timing: Timing
  clock: () => number
  random: RandomBytes
}

/** How often a write is begun anew because another one came between; each time somebody's write was made. */
const ATTEMPTS = 50
/** A record this near its expiry may count as absent elsewhere, and its items be those of a new one. Milliseconds. */
const SWEEP_MARGIN = 600_000
const WORK_INDEX = 'work'
const LIST_INDEX = 'jobs'

/** Milliseconds for one request to the table; the SDK tries again, with backoff. */
const REQUEST_WITHIN = 3_000

/** A client as this service uses it: endpoint and region come from the SDK's own variables. */
export const dynamoClient = (): DynamoDBClient =>
  new DynamoDBClient({ maxAttempts: 4, requestHandler: { connectionTimeout: 1_000, requestTimeout: REQUEST_WITHIN, throwOnRequestTimeout: true } })

/** The job store on one DynamoDB table, or anything that speaks its API. Single-item conditional writes only. */
export function dynamoStore({ client, table, timing, clock, random }: DynamoStoreOptions): JobStore {
  const db = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } })

  async function get(pk: string, sk: string): Promise<Item | undefined> {
    const { Item } = await db.send(new GetCommand({ TableName: table, Key: { pk, sk }, ConsistentRead: true }))
    return Item
  }

  async function put(item: Item): Promise<void> {
    await db.send(new PutCommand({ TableName: table, Item: item }))
  }

  /** Every page of a query, until `enough` says so of what has come. */
  async function query(input: Omit<QueryCommandInput, 'TableName'>, enough: (items: Item[]) => boolean = () => false): Promise<Item[]> {
    const items: Item[] = []
    let start: QueryCommandInput['ExclusiveStartKey']
    do {
      const page = await db.send(new QueryCommand({ TableName: table, ...input, ExclusiveStartKey: start }))
      items.push(...(page.Items ?? []))
      start = page.LastEvaluatedKey
    } while (start !== undefined && !enough(items))
    return items
  }

  /** The stored record, an expired one too: a put must know what it replaces. */
  async function stored(key: JobKey): Promise<JobRecord | undefined> {
    const item = await get(partition(key), JOB)
    return item === undefined ? undefined : fromItem(item)
  }

  const alive = (record: JobRecord | undefined): JobRecord | undefined =>
    record === undefined || isExpired(record, clock()) ? undefined : record

  /** Puts the record in place of exactly the one that was read; false if another one is there. */
  async function replace(basis: JobRecord | undefined, next: JobRecord): Promise<boolean> {
    // an expired record may be deleted by DynamoDB at any time
    const gone = 'attribute_not_exists(pk)'
    const same = 'writeId = :basis'
    const condition = basis === undefined ? gone : isExpired(basis, clock()) ? `${gone} OR ${same}` : same
    const values = basis === undefined ? undefined : { ':basis': basis.writeId }
    try {
      await db.send(
        new PutCommand({
          TableName: table,
          Item: toItem(next, timing),
          ConditionExpression: condition,
          ExpressionAttributeValues: values,
        }),
      )
      return true
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false
      throw error
    }
  }

  async function write(key: JobKey, by: string, row: Row, read?: JobRecord): Promise<Written> {
    // a new id for each try: an id that is put twice could make a record look like one that somebody has read before
    const mine: string[] = []
    let basis = read ?? (await stored(key))
    let fresh = read === undefined
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const writeId = nonce(random)
      mine.push(writeId)
      const next = row(alive(basis), { now: clock(), writeId, by })
      if (next === undefined && fresh) return { applied: false, record: alive(basis) }
      if (next !== undefined && (await replace(basis, next))) return { applied: true, record: next }
      basis = await stored(key)
      fresh = true
      if (basis !== undefined && holds(basis, mine)) return { applied: true, record: alive(basis) }
    }
    throw new PmanError('store_unavailable', `the record of job "${key.jid}" changes too fast; send the request again`)
  }

  return {
    read: guarded(async (key: JobKey) => alive(await stored(key))),
    write: guarded(write),

    readWithLog: guarded(async (key: JobKey, maxBytes: number) => {
      const wanted = Math.ceil(maxBytes / LOG_CHUNK)
      const items = await query(
        {
          KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
          ExpressionAttributeValues: { ':pk': partition(key), ':from': STATUS_RANGE.from, ':to': STATUS_RANGE.to },
          ConsistentRead: true,
        },
        (soFar) => logOf(soFar).length >= wanted || logOf(soFar).some((item) => item.last === true),
      )
      const [first] = items
      if (first?.sk !== JOB) return undefined
      const record = alive(fromItem(first))
      if (record === undefined) return undefined
      const chunks = logOf(items)
      const bytes = fromLogItems(chunks.slice(0, wanted))
      const whole = chunks.slice(0, wanted).some((item) => item.last === true)
      const log: LogTail = { bytes: bytes.subarray(Math.max(0, bytes.length - maxBytes)), truncated: false }
      log.truncated = record.logTruncated === true || !(whole || chunks.length === 0) || bytes.length > maxBytes
      return { record, log }
    }),

    putRequest: guarded(async (key, id, spec) => put(toRequestItem(key, id, spec))),

    getRequest: guarded(async (key, id) => {
      const item = await get(partition(key), requestKey(id))
      return item === undefined ? undefined : fromRequestItem(item)
    }),

    putLog: guarded(async (key, generation, capture, log) => {
      for (const item of toLogItems(key, generation, capture, log.bytes)) await put(item)
    }),

    sweepItems: guarded(async (key: JobKey, keep: 'referred' | 'none') => {
      const items = await query({
        KeyConditionExpression: 'pk = :pk AND sk > :job',
        ExpressionAttributeValues: { ':pk': partition(key), ':job': JOB },
        ProjectionExpression: 'pk, sk',
        ConsistentRead: true,
      })
      const record = await stored(key)
      if (record === undefined || (record.ttl !== undefined && record.ttl * 1000 < clock() + SWEEP_MARGIN)) return
      for (const { pk, sk } of items) {
        // a request of a later generation is that of a submission whose intent is on its way
        const ours = Number(String(sk).split('#')[1]) <= record.generation
        if (ours && (keep === 'none' || !isReferred(record, String(sk)))) await db.send(new DeleteCommand({ TableName: table, Key: { pk, sk } }))
      }
    }),

    due: guarded(async (compute: string, now: number, limit: number, cursor?: string): Promise<Page<JobKey>> => {
      const from = cursor === undefined ? { shard: 0 } : (JSON.parse(cursor) as { shard: number; start?: Item })
      const page = await db.send(
        new QueryCommand({
          TableName: table,
          IndexName: WORK_INDEX,
          KeyConditionExpression: 'workShard = :shard AND workAt <= :now',
          ExpressionAttributeValues: { ':shard': shardName(compute, from.shard), ':now': now },
          Limit: limit,
          ExclusiveStartKey: from.start,
        }),
      )
      const items = (page.Items ?? []).map((item) => keyOf(String(item.pk)))
      if (page.LastEvaluatedKey !== undefined) return { items, next: JSON.stringify({ shard: from.shard, start: page.LastEvaluatedKey }) }
      return from.shard + 1 < SHARDS ? { items, next: JSON.stringify({ shard: from.shard + 1 }) } : { items }
    }),

    list: guarded(async (compute: string, limit: number, cursor?: string): Promise<Page<JobSummary>> => {
      const starts = cursor === undefined ? Array<ShardStart>(SHARDS).fill('newest') : (JSON.parse(cursor) as ShardStart[])
      const columns = await Promise.all(
        starts.map(async (start, shard) => {
          if (start === 'end') return []
          const page = await db.send(
            new QueryCommand({
              TableName: table,
              IndexName: LIST_INDEX,
              KeyConditionExpression: 'listShard = :shard',
              ExpressionAttributeValues: { ':shard': shardName(compute, shard) },
              ScanIndexForward: false,
              Limit: limit + 1,
              ExclusiveStartKey: start === 'newest' ? undefined : start,
            }),
          )
          return (page.Items ?? []).map((item) => ({ shard, item }))
        }),
      )
      const newest = columns
        .flat()
        .sort((a, b) => Number(b.item.createdAt) - Number(a.item.createdAt))
        .slice(0, limit)
      const next = starts.map((start, shard) => {
        const taken = newest.filter((entry) => entry.shard === shard)
        const rest = (columns[shard]?.length ?? 0) - taken.length
        if (rest === 0) return 'end'
        const last = taken.at(-1)?.item
        return last === undefined ? start : pick(last, ['pk', 'sk', 'listShard', 'createdAt'])
      })
      const items = newest.map(({ item }) => toSummary(item))
      return next.every((start) => start === 'end') ? { items } : { items, next: JSON.stringify(next) }
    }),

    elect: guarded(async (compute: string, interval: number) => {
      const now = clock()
      try {
        await db.send(
          new PutCommand({
            TableName: table,
            Item: { ...ofCompute('election', compute), at: now },
            ConditionExpression: 'attribute_not_exists(pk) OR #at <= :before',
            ExpressionAttributeNames: { '#at': 'at' },
            ExpressionAttributeValues: { ':before': now - interval },
          }),
        )
        return true
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return false
        throw error
      }
    }),

    cursor: guarded(async (compute: string) => {
      const item = await get(...keyOfCompute('cursor', compute))
      return item?.cursor as string | undefined
    }),
    setCursor: guarded(async (compute: string, cursor: string | undefined) => put({ ...ofCompute('cursor', compute), cursor })),

    deployment: guarded(async () => {
      const known = await get('#deployment', 'id')
      if (known !== undefined) return String(known.id)
      try {
        const item = { pk: '#deployment', sk: 'id', id: nonce(random) }
        await db.send(new PutCommand({ TableName: table, Item: item, ConditionExpression: 'attribute_not_exists(pk)' }))
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error
      }
      return String((await get('#deployment', 'id'))?.id)
    }),
  }
}

/** Where the list of one shard goes on. */
type ShardStart = 'newest' | 'end' | Item

/** Where what concerns a whole compute is kept: `#<what>#<compute>`. */
const keyOfCompute = (what: string, compute: string): [pk: string, sk: string] => [`#${what}#${compute}`, what]
function ofCompute(what: string, compute: string): Item {
  const [pk, sk] = keyOfCompute(what, compute)
  return { pk, sk }
}

/** Was one of these writes made: it is the record's last one, or in its history. */
const holds = (record: JobRecord, writeIds: readonly string[]): boolean =>
  writeIds.includes(record.writeId) || record.history.some((entry) => writeIds.includes(entry.writeId))

/** Of what a status query returned, the chunks of the log that the record names, without a gap. */
function logOf(items: readonly Item[]): Item[] {
  const [first] = items
  if (first?.sk !== JOB) return []
  const { generation, capture = LIVE_CAPTURE } = first as { generation: number; capture?: string }
  const prefix = logPrefix(generation, capture)
  return items.filter((item) => String(item.sk).startsWith(prefix))
}

/** Is a request or log item one that the record, or its `previous`, may still need? */
function isReferred(record: JobRecord, sk: string): boolean {
  const requests = record.state === 'deleted' ? record.previous : [record, ...record.previous]
  if (requests.some((owner) => requestKey(owner) === sk)) return true
  // an end that is on its way refers to a capture that is here already
  if (isActive(record.state)) return sk.startsWith(generationLogs(record.generation))
  return isFinal(record.state) && sk.startsWith(logPrefix(record.generation, record.capture ?? LIVE_CAPTURE))
}

const pick = (item: Item, names: readonly string[]): Item => Object.fromEntries(names.map((name) => [name, item[name]]))

const SUMMARY = ['jid', 'compute', 'state', 'reason', 'image', 'auid', 'generation', 'createdAt', 'startedAt', 'finishedAt', 'exitCode', 'message']
const toSummary = (item: Item): JobSummary => pick(item, SUMMARY.filter((name) => name in item)) as unknown as JobSummary

/** Whatever the SDK throws becomes `store_unavailable`; our own errors pass. */
function guarded<A extends unknown[], R>(call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    try {
      return await call(...args)
    } catch (cause) {
      if (cause instanceof PmanError) throw cause
      throw new PmanError('store_unavailable', `the job table did not answer (${errorText(cause)})`, { cause })
    }
  }
}
