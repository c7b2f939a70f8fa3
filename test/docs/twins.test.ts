import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { computeVariables } from '../../lib/config/environment.ts'
import { pman } from '../../lib/dialects/pman/index.ts'
import { STATUS } from '../../lib/http/errors.ts'
import { ERROR_CODES, PmanError, type ErrorCode } from '../../lib/errors.ts'
import { deadlineOf } from '../../lib/jobs/lifecycle.ts'
import { REASONS } from '../../lib/jobs/reasons.ts'
import { DEFAULT_TIMING, type Timing } from '../../lib/jobs/timing.ts'
import { STATES, type State } from '../../lib/jobs/types.ts'
import { record } from '../support/records.ts'
import { codeSpans, read, ROOT, table, words } from './pages.ts'

const API = read('docs/api.md')
const ARCHITECTURE = read('ARCHITECTURE.md')
const SETTINGS = read('docs/settings.md')

describe('docs/settings.md', () => {
  test('every variable of a compute is there', () => {
    const all = computeVariables(new Proxy({}, { get: () => 'set' }))
    expect(all.length).toBeGreaterThan(20)
    const told = table(SETTINGS, 'variable').flatMap(([names]) => words(names))
    expect(told.sort()).toEqual(all.sort())
  })

  test('every variable that is read by its name is there', () => {
    const sources = ['lib', 'infra/local'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).map((name) => `${folder}/${name}`),
    )
    const named = sources.flatMap((file) => [...read(file).matchAll(/valueOf\(env, '(\w+)'\)/g)].map(([, name = '']) => name))
    const service = [...read('lib/config/service.ts').matchAll(/: '([A-Z_]+)',$/gm)].map(([, name = '']) => name)
    expect(named.length).toBeGreaterThan(8)
    expect(service.length).toBeGreaterThan(3)
    expect([...named, ...service].filter((name) => !codeSpans(SETTINGS).includes(name))).toEqual([])
  })

  test('the timing is the default one', () => {
    const told = table(SETTINGS, 'key').map(([key, value]) => [words(key)[0], Number(value)] as const)
    expect(told.length).toBeGreaterThan(5)
    expect(told.filter(([key, value]) => DEFAULT_TIMING[key as keyof Timing] !== value)).toEqual([])
  })
})

describe('docs/api.md', () => {
  test('every error has its code, its status, and whether it may pass', () => {
    const told = table(API, 'code').map(([code, status, , passes]) => [words(code)[0], Number(status), passes])
    const passes = (code: ErrorCode): string => (new PmanError(code, '').transient ? 'yes' : 'no')
    expect(told.sort()).toEqual(ERROR_CODES.map((code) => [code, STATUS[code], passes(code)]).sort())
  })

  test('every reason has its state, whether it may be sent again, and what it tells', () => {
    const told = table(API, 'reason').map(([reason, state, again, tell]) => [words(reason)[0], words(state)[0], again, tell])
    expect(told).toEqual(Object.entries(REASONS).map(([reason, { final, mayRepeat, tell }]) => [reason, final, mayRepeat ? 'yes' : 'no', tell]))
  })

  test('every state has its status', () => {
    const told = table(API, '`status`').flatMap(([status, states]) => words(states).map((state) => [state, words(status)[0]]))
    const said = (state: State): unknown => (pman.render({ record: record({ state }), argv: [], log: new Uint8Array() }) as { status: unknown }).status
    const shown = STATES.filter((state) => state !== 'deleted')
    expect(told).toEqual(shown.map((state) => [state, said(state)]))
  })
})

describe('ARCHITECTURE.md', () => {
  test('the table of writes has the rows of lib/jobs/writes.ts', () => {
    const rows = [...read('lib/jobs/writes.ts').matchAll(/^\/\*\* ([a-z+, ]+?), by /gm)].map(([, name = '']) => name)
    expect(rows.length).toBeGreaterThan(15)
    expect(table(ARCHITECTURE, 'write').map(([name]) => name).sort()).toEqual(rows.sort())
  })

  test('every state that is not final has the deadline of the table', () => {
    const told = table(ARCHITECTURE, 'state').flatMap(([states, at, by]) => words(states).map((state) => ({ state, at, by })))
    const deadlines = STATES.flatMap((state) => {
      const deadline = deadlineOf(record({ state }), DEFAULT_TIMING)
      return deadline === undefined ? [] : [{ state, reason: deadline.reason }]
    })
    expect(told.map(({ state }) => state)).toEqual(deadlines.map(({ state }) => state))
    for (const [index, { reason }] of deadlines.entries()) expect(told[index]?.by).toContain(reason)
  })
})
