import type { JobKey, JobRecord, JobSpec, LogTail } from './types.ts'
import type { Row } from './writes.ts'

/** Names a request item: the generation it was meant for, and a nonce, since two submissions may aim at the same one. */
export interface RequestId {
  generation: number
  requestId: string
}

/** Whether a write was made, and the record as it is now. */
export interface Written {
  applied: boolean
  record: JobRecord | undefined
}

/** A record with the end of its log, read together. */
export interface JobWithLog {
  record: JobRecord
  log: LogTail
}

/** Some of many; `next` is there until the end, even where a page is short or empty. */
export interface Page<T> {
  items: T[]
  next?: string | undefined
}

/** What a list shows of a job; from an index that may lag. */
export type JobSummary = Pick<JobRecord, 'jid' | 'compute' | 'state' | 'reason' | 'image' | 'auid' | 'generation' | 'createdAt'> &
  Partial<Pick<JobRecord, 'startedAt' | 'finishedAt' | 'exitCode' | 'message'>>

/**
 * Where job records are kept. Reads by key are consistent and treat an expired record as absent; pages from indexes are hints.
 * Throws PmanError: `store_unavailable` where the table could not be asked (a write's outcome is unknown then, and sending the
 * same again is safe), `unreadable_record` for an item that is corrupt or of another schema version.
 */
export interface JobStore {
  read(key: JobKey): Promise<JobRecord | undefined>
  /** One query: the record and the log that it names; while the job is active, the log of the latest look. At most `maxBytes` of log. */
  readWithLog(key: JobKey, maxBytes: number): Promise<JobWithLog | undefined>
  /**
   * Makes one write of the table of writes as a single atomic step, starting from `read` if the caller has just read it.
   * A write whose answer was lost is found again by its id, and is then `applied`.
   */
  write(key: JobKey, by: string, row: Row, read?: JobRecord): Promise<Written>

  putRequest(key: JobKey, id: RequestId, spec: JobSpec): Promise<void>
  /** The request item that a record names; undefined if it is gone. */
  getRequest(key: JobKey, id: RequestId): Promise<JobSpec | undefined>
  putLog(key: JobKey, generation: number, capture: string, log: LogTail): Promise<void>
  /**
   * Deletes request and log items of generations up to the record's: those that neither it nor its `previous` refers to, or all. The logs of
   * an active job are all kept: an end that is on its way refers to one of them.
   * Without a record, or with one about to expire, it does nothing.
   */
  sweepItems(key: JobKey, keep: 'referred' | 'none'): Promise<void>

  /** Keys of records of a compute whose next look is due, in pages of at most `limit`. */
  due(compute: string, now: number, limit: number, cursor?: string): Promise<Page<JobKey>>
  /** Jobs of a compute, newest first. */
  list(compute: string, limit: number, cursor?: string): Promise<Page<JobSummary>>

  /**
   * Elects one of those that want to ask the engine about many jobs of a compute: true for the first one within the interval (milliseconds).
   */
  elect(compute: string, interval: number): Promise<boolean>
  /** What a run of cleanup has left for the next one; undefined: from the beginning. */
  cursor(compute: string): Promise<string | undefined>
  setCursor(compute: string, cursor: string | undefined): Promise<void>

  /** The deployment's random id, made at the first call and kept for ever. */
  deployment(): Promise<string>
}

/** The capture name of what the latest look at an active job has read; never named by a final record. */
export const LIVE_CAPTURE = 'live'
