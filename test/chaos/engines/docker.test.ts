import { driverChaos } from './driver-suite.ts'
import { lateReleases } from './late-suite.ts'
import { serviceChaos } from './service-suite.ts'

driverChaos('docker')
driverChaos('docker by mTLS', ['cut before', 'cut after', 'not HTTP after', 'half'])
serviceChaos('docker')
lateReleases('docker')
