import { engineJob, timeLimitOf } from '../../lib/jobs/engine-job.ts'
import type { ComputeSettings } from '../../lib/jobs/core.ts'
import { record, spec } from '../support/records.ts'

const compute: ComputeSettings = {
  name: 'here',
  type: 'local',
  storage: { type: 'host' },
  homeWorkaround: false,
  labels: { site: 'x' },
  logsTail: 1000,
  ignoreLimits: false,
  removeJobs: true,
  defaults: { cpuLimit: 500, memoryLimit: 0, gpuLimit: 1 },
}
const zeros = (count: number) => new Uint8Array(count)
const job = (asked: Parameters<typeof spec>[0] = {}, settings: Partial<ComputeSettings> = {}, random = zeros) =>
  engineJob(record({ timeLimit: 60 }), spec(asked), { ...compute, ...settings }, 'deployment-1', random)

describe('a job as its engine is to run it', () => {
  test('names its owner, and puts the program before its words', () => {
    expect(job()).toMatchObject({
      engineName: 'job-1-aaaaaaaaaaaaaaaa',
      owner: { deployment: 'deployment-1', compute: 'here', jid: 'job-1', generation: 1, specHash: 'hash-1' },
      argv: ['plugin', '--flag', 'value'],
      siteLabels: { site: 'x' },
    })
  })

  test('what was asked for goes before the compute’s defaults; with IGNORE_LIMITS there are none', () => {
    expect(job({ cpuLimit: 2000, memoryLimit: 100 }).limits).toEqual({ cpu: 2000, memory: 100, gpu: 1, time: 60 })
    expect(job().limits).toEqual({ cpu: 500, memory: 0, gpu: 1, time: 60 })
    expect(job({ cpuLimit: 2000 }, { ignoreLimits: true }).limits).toEqual({ cpu: 0, memory: 0, gpu: 0, time: 60 })
  })

  test('of a variable that comes twice the last one counts, the caller’s HOME before the workaround’s', () => {
    expect(job({ env: ['A=1', 'B=2', 'A=3=4'] }).env).toEqual(['A=3=4', 'B=2'])
    expect(job({}, { homeWorkaround: true }).env).toEqual(['HOME=/tmp'])
    expect(job({ env: ['HOME=/root'] }, { homeWorkaround: true }).env).toEqual(['HOME=/root'])
  })

  test('the user: fixed, or of the range, both ends included', () => {
    const fixed = { uid: { least: 7, greatest: 7 }, gid: { least: 8, greatest: 8 } }
    expect(job({}, { user: fixed }).user).toEqual({ uid: 7, gid: 8 })
    const range = { uid: { least: 10, greatest: 12 }, gid: { least: 20, greatest: 20 } }
    const seen = new Set(Array.from({ length: 60 }, (_, n) => job({}, { user: range }, () => Uint8Array.of(0, 0, 0, n)).user?.uid))
    expect([...seen].sort()).toEqual([10, 11, 12])
    expect(job().user).toBeUndefined()
  })

  test.each([
    [0, undefined, undefined],
    [90, undefined, 90],
    [0, 2, 120],
    [90, 2, 90],
    [600, 2, 120],
  ])('a limit of %d s, and of the compute %s min: %s s', (timeLimit, timeLimitMinutes, expected) => {
    expect(timeLimitOf(spec({ timeLimit }), { ...compute, timeLimitMinutes })).toBe(expected)
  })
})
