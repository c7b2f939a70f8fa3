import { CASES, killPoints } from '../kill-points/suite.ts'
import { skip } from '../../support/skip.ts'
import { sample } from './share.ts'
import { missing } from './sites.ts'

const why = missing('docker')
if (why === undefined) killPoints('docker', sample(CASES))
else skip('a process that dies, on docker', why)
