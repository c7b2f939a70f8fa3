import { skip } from '../../support/skip.ts'
import { bySocket, byTls, dockerHarness, WITHOUT_DOCKER, WITHOUT_DOCKER_TLS } from './docker-harness.ts'
import { backendContract } from './suite.ts'

const socket = bySocket()
if (socket === undefined) skip('the backend contract: docker', WITHOUT_DOCKER)
else backendContract('docker', dockerHarness(socket))

const tls = byTls()
if (tls === undefined) skip('the backend contract: docker by mTLS', WITHOUT_DOCKER_TLS)
else backendContract('docker by mTLS', dockerHarness(tls))
