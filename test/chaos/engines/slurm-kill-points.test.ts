import { killPoints } from '../kill-points/suite.ts'
import { skip } from '../../support/skip.ts'
import { aroundEachStep } from './deaths.ts'
import { missing } from './sites.ts'

const why = missing('slurm')
if (why === undefined) killPoints('slurm', aroundEachStep())
else skip('a process that dies, on slurm', why)
