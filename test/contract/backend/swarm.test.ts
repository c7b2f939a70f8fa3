import { skip } from '../../support/skip.ts'
import { bySocket } from './docker-harness.ts'
import { backendContract } from './suite.ts'
import { swarmHarness, WITHOUT_SWARM } from './swarm-harness.ts'

const reach = bySocket()
if (reach === undefined) skip('the backend contract: swarm', WITHOUT_SWARM)
else backendContract('swarm', swarmHarness(reach))
