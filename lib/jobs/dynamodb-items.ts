/** The items of the table and their keys. Pure; the layout is fixed from the first release (ARCHITECTURE, "The table"). */
import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import { PmanError } from '../errors.ts'
import { workAt } from './lifecycle.ts'
import type { RequestId } from './store.ts'
import type { Timing } from './timing.ts'
import { jobRecordSchema, jobSpecSchema, type JobKey, type JobRecord, type JobSpec } from './types.ts'

export type Item = Record<string, unknown>

/** Partitions of each index per compute, so that one busy compute does not hang on one partition. */
export const SHARDS = 4

/** Raw bytes of log in one item: an item holds 400 KB, and what does not compress grows a little. */
export const LOG_CHUNK = 256 * 1024

export const JOB = 'job'
/** Everything that a status answer needs lies between these two: the job and its logs. Request items sort after them. */
export const STATUS_RANGE = { from: JOB, to: 'log#\uffff' }
export const LOG_PREFIX = 'log#'
export const SPEC_PREFIX = 'spec#'

export const partition = ({ compute, jid }: JobKey): string => `${compute}#${jid}`
export const requestKey = ({ generation, requestId }: RequestId): string => `${SPEC_PREFIX}${generation}#${requestId}`
/** Chunk 0 is the end of the log, so that the first ones read are the last lines. */
export const logKey = (generation: number, capture: string, chunk: number): string =>
  `${logPrefix(generation, capture)}${String(chunk).padStart(3, '0')}`
export const generationLogs = (generation: number): string => `${LOG_PREFIX}${generation}#`
export const logPrefix = (generation: number, capture: string): string => `${generationLogs(generation)}${capture}#`

/** The key that a partition stands for; a compute's name has no `#`, nor has a jid. */
export function keyOf(pk: string): JobKey {
  const at = pk.indexOf('#')
  return { compute: pk.slice(0, at), jid: pk.slice(at + 1) }
}

export const shardName = (compute: string, shard: number): string => `${compute}#${shard}`
const shardOf = (key: JobKey): string =>
  shardName(key.compute, (createHash('sha256').update(key.jid).digest()[0] ?? 0) % SHARDS)

/** The record as an item, with the keys of both indexes: the work index holds it only while there is work left. */
export function toItem(record: JobRecord, timing: Timing): Item {
  const due = workAt(record, timing)
  return {
    pk: partition(record),
    sk: JOB,
    ...record,
    ...(record.state === 'deleted' ? {} : { listShard: shardOf(record) }),
    ...(due === undefined ? {} : { workShard: shardOf(record), workAt: due }),
  }
}

/** The record in an item; throws `unreadable_record` for one that is corrupt or of another schema version. */
export function fromItem(item: Item): JobRecord {
  const { pk, sk, listShard, workShard, workAt: due, ...rest } = item
  const parsed = jobRecordSchema.safeParse(rest)
  if (parsed.success) return parsed.data
  const version = rest.schemaVersion
  const what = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
  throw new PmanError('unreadable_record', `the record of ${String(pk)} (schema version ${String(version)}) cannot be read: ${what}`)
}

export const isExpired = (record: JobRecord, now: number): boolean => record.ttl !== undefined && record.ttl * 1000 <= now

export const toRequestItem = (key: JobKey, id: RequestId, spec: JobSpec): Item => ({
  pk: partition(key),
  sk: requestKey(id),
  spec: gzipSync(JSON.stringify(spec)),
})

export function fromRequestItem(item: Item): JobSpec {
  try {
    return jobSpecSchema.parse(JSON.parse(gunzipSync(item.spec as Uint8Array).toString()))
  } catch (cause) {
    throw new PmanError('unreadable_record', `the request of ${String(item.pk)} cannot be read`, { cause })
  }
}

/** The log cut into chunks from its end. There is always a chunk 0. */
export function toLogItems(key: JobKey, generation: number, capture: string, bytes: Uint8Array): Item[] {
  const count = Math.max(1, Math.ceil(bytes.length / LOG_CHUNK))
  return Array.from({ length: count }, (_, chunk) => {
    const end = bytes.length - chunk * LOG_CHUNK
    return {
      pk: partition(key),
      sk: logKey(generation, capture, chunk),
      bytes: gzipSync(bytes.subarray(Math.max(0, end - LOG_CHUNK), end)),
      last: chunk === count - 1,
    }
  })
}

/** The log of consecutive chunks, 0 first; an unreadable chunk ends it. */
export function fromLogItems(items: readonly Item[]): Uint8Array {
  return Buffer.concat(items.map((item) => gunzipSync(item.bytes as Uint8Array)).reverse())
}
