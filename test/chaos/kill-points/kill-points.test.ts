import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KILL_POINTS, type KillPoint } from '../../../lib/jobs/kill-points.ts'
import { CASES, killPoints } from './suite.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')

killPoints('local', CASES)

describe('the places', () => {
  test('each is where some scenario dies', () => {
    expect(new Set(CASES.map(({ kill }) => kill))).toEqual(new Set(KILL_POINTS))
  })

  test('each is named once in the sources', () => {
    const folder = join(ROOT, 'lib', 'jobs')
    const sources = readdirSync(folder).filter((name) => name !== 'kill-points.ts').map((name) => readFileSync(join(folder, name), 'utf8'))
    const named = sources.flatMap((source) => [...source.matchAll(/\.reached\?\.\('([^']*)'\)/g)].map(([, name]) => name as KillPoint))
    expect(named.sort()).toEqual([...KILL_POINTS].sort())
  })
})
