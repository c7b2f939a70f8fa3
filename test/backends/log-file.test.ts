import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { tailOfFile } from '../../lib/backends/log-file.ts'
import { tailOf } from '../../lib/jobs/log-tail.ts'

let directory = ''
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'pman-log-'))))
afterAll(() => rm(directory, { recursive: true, force: true }))

test('the end of a file is that of its whole content', async () => {
  const path = join(directory, 'log')
  const content = fc.array(fc.constantFrom('a', 'bc', '\n', '\n\n', '\u00e9'), { maxLength: 30 }).map((parts) => parts.join(''))
  await fc.assert(
    fc.asyncProperty(content, fc.nat(8), fc.nat(40), async (text, tailLines, maxBytes) => {
      await writeFile(path, text)
      const bounds = { tailLines, maxBytes }
      const whole = tailOf({ bytes: Buffer.from(text), truncated: false }, bounds)
      const tail = await tailOfFile(path, bounds)
      expect([Buffer.from(tail?.bytes ?? []).toString('hex'), tail?.truncated]).toEqual([Buffer.from(whole.bytes).toString('hex'), whole.truncated])
    }),
    { numRuns: 300 },
  )
})

test('a file that is too large for memory is read at its end', async () => {
  const path = join(directory, 'large')
  await writeFile(path, '')
  await truncate(path, 2 ** 40)
  const tail = await tailOfFile(path, { tailLines: 10, maxBytes: 100 })
  expect([tail?.bytes.length, tail?.truncated]).toEqual([100, true])
})

test('a file that is not there is told as such; one that cannot be read is an error', async () => {
  expect(await tailOfFile(join(directory, 'none'), { tailLines: 1, maxBytes: 1 })).toBeUndefined()
  await expect(tailOfFile(directory, { tailLines: 1, maxBytes: 1 })).rejects.toThrow()
})
