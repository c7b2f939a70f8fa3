import { jest } from '@jest/globals'
import type { Backend } from '../../../lib/backends/contract.ts'
import { LIST_ABOVE } from '../../../lib/backends/slurm/look.ts'
import { NO_SITE, siteOrNone, slurmGround } from '../../contract/backend/slurm-harness.ts'
import type { Ground } from '../../contract/backend/slurm-harness.ts'
import { describeIf } from '../../support/skip.ts'
import { proxyTo } from './proxy.ts'
import type { Proxy } from './proxy.ts'
import { call, clear, deploymentId, made } from './site.ts'

const site = siteOrNone()
const COUNT = 1000
jest.setTimeout(600_000)

describeIf(site.url !== '', NO_SITE, `slurm: ${COUNT} jobs`, () => {
  const deployment = deploymentId()
  let ground: Ground
  let proxy: Proxy
  let backend: Backend
  const refs: string[] = []
  beforeAll(async () => {
    ground = await slurmGround(site)
    proxy = await proxyTo(site.url)
    backend = ground.open(deployment, { url: proxy.url })
    const { job } = await made(ground, deployment, 'exit 0')
    while (refs.length < COUNT) {
      const ten = Array.from({ length: 10 }, (_, index) => ({ ...job, engineName: `thousand-${refs.length + index}` }))
      refs.push(...(await Promise.all(ten.map((one) => backend.create(one, undefined, call())))))
    }
  })
  afterAll(async () => {
    await clear(backend)
    await proxy.close()
    await ground.tearDown()
  })

  const timed = async (count: number) => {
    proxy.asked.length = 0
    const began = Date.now()
    const seen = await backend.observe(refs.slice(0, count), call())
    return { seen, took: Date.now() - began, asked: [...proxy.asked] }
  }

  test.each([1, 8, 25, LIST_ABOVE])('%i looks are as many questions', async (count) => {
    const { seen, took, asked } = await timed(count)
    expect(seen).toEqual(Array(count).fill({ kind: 'inert' }))
    expect(asked).toHaveLength(count)
    console.log(`${count} look-ups one by one, among ${COUNT} jobs: ${took} ms`)
  })

  test.each([LIST_ABOVE + 1, COUNT])('%i looks are one question', async (count) => {
    const { seen, took, asked } = await timed(count)
    expect(seen).toEqual(Array(count).fill({ kind: 'inert' }))
    expect(asked).toEqual(['GET /slurm/v0.0.38/jobs'])
    console.log(`${count} looks by one list of ${COUNT} jobs: ${took} ms`)
  })
})
