import fc from 'fast-check'
import { Demultiplexer, FrameError, Ring } from '../../../lib/engines/docker-frames.ts'
import { jsonLines } from '../../../lib/engines/docker-lines.ts'
import { EngineAnswer, EngineSilent } from '../../../lib/engines/transport.ts'

const frame = (stream: number, payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

const frames = fc.array(fc.record({ stream: fc.integer({ min: 0, max: 2 }), payload: fc.uint8Array({ maxLength: 40 }) }), { maxLength: 12 })
const cuts = fc.array(fc.nat(), { maxLength: 20 })

/** The bytes in chunks, cut anywhere. */
function chunks(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place))
}

describe('frames of output', () => {
  test('come out as they went in, wherever the chunks are cut', () => {
    fc.assert(
      fc.property(frames, cuts, (sent, at) => {
        const demultiplexer = new Demultiplexer()
        const got: { stream: number; payload: number[] }[] = []
        for (const chunk of chunks(Buffer.concat(sent.map(({ stream, payload }) => frame(stream, payload))), at)) {
          for (const { stream, bytes, first } of demultiplexer.push(chunk)) {
            if (first) got.push({ stream, payload: [] })
            got.at(-1)?.payload.push(...bytes)
          }
        }
        demultiplexer.end()
        expect(got).toEqual(sent.map(({ stream, payload }) => ({ stream, payload: [...payload] })))
      }),
    )
  })

  test.each([
    ['a stream that there is not', Buffer.from([4, 0, 0, 0, 0, 0, 0, 1, 65])],
    ['text, as of a terminal', Buffer.from('some plain text')],
    ['an error in the middle', Buffer.concat([frame(1, Buffer.from('ok\n')), Buffer.from('Error grabbing logs')])],
  ])('%s is refused', (_name, bytes) => {
    expect(() => [...new Demultiplexer().push(bytes)]).toThrow(FrameError)
  })

  test('where the engine fails, its own words are the error, after what came before them', () => {
    fc.assert(
      fc.property(frames, fc.string({ unit: 'grapheme', maxLength: 40 }), cuts, (sent, words, at) => {
        const failure = Buffer.concat([...sent.map(({ stream, payload }) => frame(stream, payload)), frame(3, Buffer.from(words))])
        const demultiplexer = new Demultiplexer()
        const got: Uint8Array[] = []
        const read = (): void => {
          for (const chunk of chunks(failure, at)) for (const { bytes } of demultiplexer.push(chunk)) got.push(bytes)
        }
        expect(read).toThrow(new FrameError(`the engine says: ${words.trim()}`))
        expect(Buffer.concat(got)).toEqual(Buffer.concat(sent.map(({ payload }) => payload)))
      }),
    )
  })

  test('as much of its words is kept as a message needs', () => {
    const demultiplexer = new Demultiplexer()
    const long = frame(3, Buffer.alloc(1_000_000, 'x'))
    expect(() => [...demultiplexer.push(long)]).toThrow(new FrameError(`the engine says: ${'x'.repeat(4096)}`))
  })

  test.each([1, 7, 8, 10])('a stream that ends after %i bytes of a frame has broken off', (length) => {
    const demultiplexer = new Demultiplexer()
    expect([...demultiplexer.push(frame(1, Buffer.from('abc')).subarray(0, length))].length).toBeLessThan(2)
    expect(() => demultiplexer.end()).toThrow(FrameError)
  })
})

test('a ring keeps the last bytes', () => {
  fc.assert(
    fc.property(fc.nat({ max: 30 }), fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 }), (size, writes) => {
      const ring = new Ring(size)
      for (const bytes of writes) ring.write(bytes)
      const all = Buffer.concat(writes)
      expect(ring.written).toBe(all.length)
      expect(Buffer.from(ring.tail())).toEqual(all.subarray(Math.max(0, all.length - size)))
    }),
  )
})

describe('lines of JSON', () => {
  const all = async (parts: readonly (Buffer | Error)[]): Promise<unknown[]> => {
    async function* body() {
      for (const part of parts) {
        if (part instanceof Error) throw part
        yield part
      }
    }
    const values: unknown[] = []
    for await (const value of jsonLines(body())) values.push(value)
    return values
  }

  test('come out as they went in, wherever the chunks are cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue(), { maxLength: 8 }), cuts, fc.boolean(), async (values, at, ends) => {
        const text = values.map((value) => JSON.stringify(value)).join('\r\n') + (ends ? '\n' : '')
        expect(await all(chunks(Buffer.from(text), at))).toEqual(values.map((value) => JSON.parse(JSON.stringify(value)) as unknown))
      }),
    )
  })

  test.each([
    ['what is not JSON', [Buffer.from('{"a":1}\nno\n')], EngineAnswer],
    ['half a line at the end', [Buffer.from('{"a":1}\n{"b"')], EngineAnswer],
    ['a line without an end', Array.from({ length: 20 }, () => Buffer.alloc(100_000, 'x')), EngineAnswer],
    ['a stream that breaks off', [Buffer.from('{"a":1}\n'), new Error('reset')], EngineSilent],
  ])('%s is an error', async (_name, parts, kind) => {
    await expect(all(parts)).rejects.toThrow(kind)
  })
})
