import { gunzipSync } from 'node:zlib'
import type { LogTail } from '../../jobs/types.ts'

/** No honest comment holds more: a bound on what 1,024 bytes of gzip may become. */
const MOST = 1024 * 1024

/** The end of a log that a job has put into its comment (`labels.ts`); empty before the first time. Throws if it is none. */
export function logInComment(comment: string): LogTail {
  const [, size, text] = comment.split('.')
  if (size === undefined || text === undefined) return { bytes: new Uint8Array(), truncated: false }
  if (!/^\d{1,15}$/.test(size)) throw new Error('the comment of the job is not as the job has set it')
  const bytes = gunzipSync(Buffer.from(text, 'base64'), { maxOutputLength: MOST })
  return { bytes, truncated: bytes.length < Number(size) }
}
