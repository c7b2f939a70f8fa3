import type { Readable } from 'node:stream'
import type { DockerApi } from '../../engines/docker-api.ts'
import { Demultiplexer, FrameError, Ring } from '../../engines/docker-frames.ts'
import { EngineAnswer, EngineSilent } from '../../engines/transport.ts'
import { errorText } from '../../errors.ts'
import { tailOf } from '../../jobs/log-tail.ts'
import type { LogBounds, LogTail } from '../../jobs/types.ts'

/** What of a log was read: its end, and how many entries the engine has sent. */
interface Read {
  ring: Ring
  entries: number
}

/** How many times as many entries are asked for when those that came do not hold the lines that are wanted. */
const MORE = 8

/**
 * The end of a job's output. The engine's `tail` counts its entries, and a line of more than 16 KiB is several of them (moby:
 * daemon/logger/copier.go): so it is asked for more until the lines are complete, the bytes are enough, or there is no more.
 * `canTail`: otherwise the engine's `tail` loses some, and the whole log is read, of which as much is held as is wanted.
 */
export async function containerLogs(ask: (tail: number) => Promise<Readable>, bounds: LogBounds, canTail = true): Promise<LogTail> {
  if (bounds.tailLines === 0) return { bytes: new Uint8Array(), truncated: (await read(ask, canTail ? 1 : Infinity, 0)).entries > 0 }
  for (let tail = canTail ? bounds.tailLines + 1 : Infinity; ; tail *= MORE) {
    const { ring, entries } = await read(ask, tail, bounds.maxBytes)
    const overflows = ring.written > bounds.maxBytes
    const log = tailOf({ bytes: ring.tail(), truncated: overflows }, bounds)
    if (entries < tail || log.truncated) return log
  }
}

/** ContainerLogs of both streams, in the order in which the engine has them. */
export const logsOf =
  (api: DockerApi, ref: string, signal: AbortSignal) =>
  (tail: number): Promise<Readable> =>
    api.stream({ method: 'GET', path: `/containers/${ref}/logs`, query: { stdout: true, stderr: true, tail: Number.isFinite(tail) ? tail : 'all' }, signal })

async function read(ask: (tail: number) => Promise<Readable>, tail: number, maxBytes: number): Promise<Read> {
  const body = await ask(tail)
  const ring = new Ring(maxBytes)
  const frames = new Demultiplexer()
  let entries = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      for (const { bytes, first } of frames.push(chunk)) {
        ring.write(bytes)
        if (first) entries++
      }
    }
    frames.end()
  } catch (error) {
    if (error instanceof FrameError) throw new EngineAnswer(`the log cannot be read: ${error.message}`, 200, undefined, error)
    throw new EngineSilent(`the log broke off: ${errorText(error)}`)
  }
  return { ring, entries }
}
