import { driverChaos } from './driver-suite.ts'
import { lateReleases } from './late-suite.ts'
import { serviceChaos } from './service-suite.ts'

driverChaos('podman')
serviceChaos('podman')
lateReleases('podman')
