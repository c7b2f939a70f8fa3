import { call } from '../../contract/backend/bench.ts'
import { killPoints } from '../kill-points/suite.ts'
import { skip } from '../../support/skip.ts'
import { aroundEachStep } from './deaths.ts'
import { missing, openSite } from './sites.ts'

const why = missing('kubernetes')
if (why === undefined) {
  // the driver loads its client when it is first asked, and tests that run side by side cannot load anything
  beforeAll(async () => {
    const site = await openSite('kubernetes')
    await site.open('none').health(call())
    await site.close()
  })
  killPoints('kubernetes', aroundEachStep())
} else skip('a process that dies, on kubernetes', why)
