import { Readable } from 'node:stream'
import fc from 'fast-check'
import { containerLogs } from '../../../lib/backends/docker/logs.ts'
import { EngineAnswer, EngineSilent } from '../../../lib/engines/transport.ts'
import { tailOf } from '../../../lib/jobs/log-tail.ts'

/** The longest entry of the engine that is played here. */
const ENTRY = 16

/** The entries of an output: a line each, or a part of a line that is too long. */
function entriesOf(output: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = []
  for (let start = 0; start < output.length;) {
    const newline = output.indexOf(0x0a, start)
    const end = Math.min(start + ENTRY, newline < 0 ? output.length : newline + 1)
    entries.push(output.subarray(start, end))
    start = end
  }
  return entries
}

function frame(payload: Uint8Array): Buffer {
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

const engine = (output: Uint8Array, asked: number[] = []) => async (tail: number) => {
  asked.push(tail)
  return Readable.from(entriesOf(output).slice(-tail).map(frame))
}

const outputs = fc
  .array(fc.oneof(fc.constantFrom('\n', 'a\n', 'bb\n'), fc.string({ maxLength: 60 })), { maxLength: 25 })
  .map((parts) => Buffer.from(parts.join('')))

test('whatever the engine calls an entry: the last lines, of these the last bytes, and whether that is all', async () => {
  await fc.assert(
    fc.asyncProperty(outputs, fc.nat({ max: 30 }), fc.nat({ max: 300 }), async (output, tailLines, maxBytes) => {
      const bounds = { tailLines, maxBytes }
      const got = await containerLogs(engine(output), bounds)
      const wanted = tailOf({ bytes: output, truncated: false }, bounds)
      expect({ ...got, bytes: Buffer.from(got.bytes) }).toEqual({ ...wanted, bytes: Buffer.from(wanted.bytes) })
    }),
  )
})

test('a log of short lines is asked for once, with no more than is wanted', async () => {
  const asked: number[] = []
  await containerLogs(engine(Buffer.from('row\n'.repeat(5000)), asked), { tailLines: 10, maxBytes: 1000 })
  expect(asked).toEqual([11])
})

test.each([
  ['that breaks off within a frame', [frame(Buffer.from('abc')).subarray(0, 9)], EngineAnswer],
  ['that is no frames', [Buffer.from('Error grabbing logs: invalid character')], EngineAnswer],
  ['that is cut off', [frame(Buffer.from('abc')), new Error('reset')], EngineSilent],
])('a log %s cannot be read', async (_name, parts, kind) => {
  async function* body() {
    for (const part of parts) {
      if (part instanceof Error) throw part
      yield part
    }
  }
  await expect(containerLogs(async () => Readable.from(body()), { tailLines: 5, maxBytes: 100 })).rejects.toThrow(kind)
})
