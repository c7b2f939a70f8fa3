import { killPoints } from '../kill-points/suite.ts'
import { skip } from '../../support/skip.ts'
import { aroundEachStep } from './deaths.ts'
import { missing } from './sites.ts'

const why = missing('cromwell')
if (why === undefined) killPoints('cromwell', aroundEachStep())
else skip('a process that dies, on cromwell', why)
