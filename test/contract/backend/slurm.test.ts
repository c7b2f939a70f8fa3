import { skip } from '../../support/skip.ts'
import { NO_SITE, slurmHarness, slurmSite } from './slurm-harness.ts'
import { backendContract } from './suite.ts'

const site = slurmSite()
if (site === undefined) skip('the backend contract: slurm', NO_SITE)
else backendContract('slurm', slurmHarness(site))
