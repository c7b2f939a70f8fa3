import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { engineList, engineMatrix, settingsTable, withMatrix } from '../../infra/local/engine-matrix.ts'
import { BACKEND_TYPES, BACKENDS } from '../../lib/backends/index.ts'
import { pman } from '../../lib/dialects/pman/index.ts'
import { VERSION } from '../../lib/version.ts'
import { blocks, PAGES, read, ROOT, table, words } from './pages.ts'

const README = read('README.md')

test('the engine matrix is what the drivers say of themselves', async () => {
  expect(README).toBe(withMatrix(README, await engineMatrix()))
  for (const type of BACKEND_TYPES) expect(README).toMatch(new RegExp(`^\\| the engine… \\|.*\`${type}\``, 'm'))
})

test('docs/settings.md has which engine reads what', () => {
  const page = read('docs/settings.md')
  expect(page).toBe(withMatrix(page, settingsTable()))
  expect(table(page, 'only for').map(([name]) => name)).toContain('`JOB_NAMESPACE`')
})

test.each(BACKEND_TYPES)('the page of %s has what its driver says of itself', async (type) => {
  const page = read(`docs/engines/${type}.md`)
  expect(page).toBe(withMatrix(page, engineList((await BACKENDS[type]()).supports)))
})

test('the matrix has a row for each word, and tells yes from no', async () => {
  const { supports } = (await import('../../lib/backends/local/index.ts')).local
  const matrix = await engineMatrix({ one: async () => ({ supports }), other: async () => ({ supports: { ...supports, env: !supports.env } }) })
  const rows = table(matrix, 'the engine…')
  expect(rows.length).toBe(Object.keys(supports).length)
  expect(rows.filter(([, one, other]) => one !== other)).toEqual([[expect.stringContaining('`env`'), 'yes', 'no']])
})

test('the matrix has a place, or that is an error', () => {
  expect(() => withMatrix('no markers', '')).toThrow('markers')
})

test('by line 25 there are commands that work', () => {
  const [commands = ''] = blocks(README.split('\n').slice(0, 25).join('\n'), 'sh')
  expect(commands).toContain('npm ci && npm run demo')
  expect(commands).toContain('npm ci && npm test')
})

test('every engine is named, with the way to its page', () => {
  for (const type of BACKEND_TYPES) expect(README).toContain(`[\`${type}\`](docs/engines/${type}.md)`)
})

test('what it does that pman did not is shown by tests that are there', () => {
  const tests = read('test/jobs/service.test.ts')
  const names = table(README, 'it happens that').map((row) => words(row[2])[0] ?? '')
  expect(names.length).toBeGreaterThan(5)
  expect(names.filter((name) => name === '' || !tests.includes(name))).toEqual([])
})

test('what pman got wrong is shown by tests that are there', () => {
  const rows = table(read('docs/pman.md'), 'pman').map((row) => words(row[2]))
  expect(rows.length).toBeGreaterThan(16)
  for (const [file = '', name = ''] of rows) expect([file, name, name !== '' && read(file).includes(name)]).toEqual([file, name, true])
})

describe('request bodies', () => {
  const heredocs = PAGES.flatMap((page) =>
    blocks(read(page), 'sh').flatMap((block) => [...block.matchAll(/<<'JSON'\n([^]*?)^JSON$/gm)].map(([, body = '']) => ({ page, body }))),
  )
  const examples = readdirSync(join(ROOT, 'examples', 'requests')).map((name) => ({ page: name, body: read(`examples/requests/${name}`) }))

  test('there are some', () => {
    expect(heredocs.length).toBeGreaterThan(0)
    expect(examples.length).toBeGreaterThan(2)
  })
  test.each([...heredocs, ...examples])('$page: is taken', ({ body }) => {
    expect(pman.parse(JSON.parse(body)).jid).not.toBe('')
  })
})

test('one version', () => {
  expect((JSON.parse(read('package.json')) as { version: string }).version).toBe(VERSION)
  const shown = [...README.matchAll(/"server_version":"([^"]+)"/g)].map(([, version]) => version)
  expect(shown.length).toBeGreaterThan(0)
  expect(new Set(shown)).toEqual(new Set([VERSION]))
})

test('a function has at most 30 lines', () => {
  const files = readdirSync(join(ROOT, 'functions'))
  expect(files.length).toBeGreaterThan(7)
  expect(files.filter((name) => read(`functions/${name}`).trimEnd().split('\n').length > 30)).toEqual([])
})
