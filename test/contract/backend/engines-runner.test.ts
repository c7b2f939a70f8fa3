import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseVariables, reach } from '../../engines/reach.ts'
import { isGood, sumsOf, told } from '../../engines/report.ts'
import { ENGINES } from '../../engines/table.ts'
import type { Engine } from '../../engines/table.ts'

test('the variables of a file', () => {
  const text = "# how to reach it\nexport A=http://127.0.0.1:1/x?y=z\nB='two words'\n export C=\"q'\"  \nexport D=\n\nnot a line\n"
  expect(parseVariables(text)).toEqual({ A: 'http://127.0.0.1:1/x?y=z', B: 'two words', C: "q'", D: '' })
})

describe('an engine is reached', () => {
  const seen: unknown[] = []
  const engine: Engine = { needs: ['X_URL', 'X_KEY'], probe: async (variables) => void seen.push(variables), suites: [] }
  let directory = ''
  beforeEach(async () => {
    seen.length = 0
    directory = await mkdtemp(join(tmpdir(), 'pman-engines-'))
    await mkdir(join(directory, 'x'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  test('by its file', async () => {
    await writeFile(join(directory, 'x', 'env'), 'export X_URL=file\nexport X_KEY=k\n')
    expect(await reach('x', engine, { X_URL: 'half' }, directory)).toEqual({ name: 'x', engine, variables: { X_URL: 'file', X_KEY: 'k' } })
    expect(seen).toEqual([{ X_URL: 'file', X_KEY: 'k' }])
  })

  test('first of all by what a person has set', async () => {
    await writeFile(join(directory, 'x', 'env'), 'export X_URL=file\nexport X_KEY=k\n')
    const variables = { X_URL: 'mine', X_KEY: 'm' }
    expect(await reach('x', engine, { ...variables, OTHER: 'o' }, directory)).toEqual({ name: 'x', engine, variables })
  })

  test('or left out, with the reason', async () => {
    const why = expect.stringMatching(/x\/env nor .* X_URL, X_KEY/) as string
    expect(await reach('x', engine, {}, directory)).toEqual({ name: 'x', why })
    expect(seen).toEqual([])
    const broken = { ...engine, needs: [], probe: () => Promise.reject(new Error('fetch failed', { cause: new Error('refused') })) }
    expect(await reach('x', broken, {}, directory)).toEqual({ name: 'x', why: 'does not answer: refused' })
  })
})

test('aws answers when both of its services do, whatever they say', async () => {
  const server = createServer((_request, response) => void response.writeHead(400).end('no'))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const aws = ENGINES.aws
  const both = { AWS_ENDPOINT_URL_DYNAMODB: url, AWS_ENDPOINT_URL_SECRETS_MANAGER: url }
  await expect(aws?.probe(both)).resolves.toBeUndefined()
  await expect(aws?.probe({ ...both, AWS_ENDPOINT_URL_SECRETS_MANAGER: 'http://127.0.0.1:1' })).rejects.toThrow()
  await new Promise((resolve) => server.close(resolve))
})

test('the sums of a report, and whether they prove anything', () => {
  const report = { success: true, numPassedTests: 5, numFailedTests: 0, numPendingTests: 2, numRuntimeErrorTestSuites: 0, more: 'words' }
  const sums = sumsOf(JSON.stringify(report))
  expect(told(sums)).toBe('5 passed, 0 failed, 2 skipped')
  expect(isGood(sums)).toBe(true)
  expect(isGood({ ...sums, failed: 1 })).toBe(false)
  expect(isGood({ ...sums, passed: 0 })).toBe(false)
  expect(isGood({ ...sums, broken: 1 })).toBe(false)
  expect(told({ ...sums, broken: 1 })).toContain('1 files could not be run')
  expect(() => sumsOf('{}')).toThrow()
})
