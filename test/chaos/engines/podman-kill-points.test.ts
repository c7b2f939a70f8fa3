import { CASES, killPoints } from '../kill-points/suite.ts'
import { skip } from '../../support/skip.ts'
import { sample } from './share.ts'
import { missing } from './sites.ts'

const why = missing('podman')
if (why === undefined) killPoints('podman', sample(CASES))
else skip('a process that dies, on podman', why)
