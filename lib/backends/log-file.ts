/** A log that is a file which the gateway sees. */
import { open } from 'node:fs/promises'
import { tailOf } from '../jobs/log-tail.ts'
import type { LogBounds, LogTail } from '../jobs/types.ts'

/** The end of a file, of which no more than `maxBytes` is read; undefined: it is not there. Throws if it cannot be read. */
export async function tailOfFile(path: string, bounds: LogBounds): Promise<LogTail | undefined> {
  const file = await open(path, 'r').catch((error: unknown) => {
    // by its code: an error of another realm, as in a test, is no instance of Error
    if ((Object(error) as { code?: unknown }).code === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    const start = Math.max(0, size - bounds.maxBytes)
    const bytes = new Uint8Array(size - start)
    let read = 0
    for (let got = -1; got !== 0 && read < bytes.length; read += got) {
      got = (await file.read(bytes, read, bytes.length - read, start + read)).bytesRead
    }
    return tailOf({ bytes: bytes.subarray(0, read), truncated: start > 0 }, bounds)
  } finally {
    await file.close()
  }
}
