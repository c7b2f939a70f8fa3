import { skip } from '../../support/skip.ts'
import { dockerHarness } from './docker-harness.ts'
import { podmanBySocket, WITHOUT_PODMAN } from './podman-harness.ts'
import { backendContract } from './suite.ts'

const reach = podmanBySocket()
if (reach === undefined) skip('the backend contract: podman', WITHOUT_PODMAN)
else backendContract('podman', { ...dockerHarness(reach), hidesOutOfMemory: true })
