/** Streams of JSON lines, such as the progress of a pull (Docker Engine API 1.41, ImageCreate). */
import { errorText } from '../errors.ts'
import { EngineAnswer, EngineSilent } from './transport.ts'

/** No line of an engine is longer, in bytes. */
const MAX_LINE = 1024 * 1024

/** The values of a stream, one per line, whatever the borders of its chunks. Throws EngineSilent if it breaks off, EngineAnswer for what is not JSON. */
export async function* jsonLines(body: AsyncIterable<Uint8Array>): AsyncGenerator {
  for await (const line of lines(body)) {
    const text = line.toString('utf8').trim()
    if (text === '') continue
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      throw new EngineAnswer('a line of the stream is not JSON', 200, undefined, error)
    }
    yield value
  }
}

const NEWLINE = 0x0a

async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      let start = 0
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        yield Buffer.concat([...parts, chunk.subarray(start, end)])
        parts = []
        size = 0
        start = end + 1
      }
      parts.push(chunk.subarray(start))
      size += chunk.length - start
      if (size > MAX_LINE) throw new EngineAnswer(`a line of the stream has more than ${MAX_LINE} bytes`, 200)
    }
  } catch (error) {
    if (error instanceof EngineAnswer) throw error
    throw new EngineSilent(`the stream broke off: ${errorText(error)}`)
  }
  yield Buffer.concat(parts)
}
