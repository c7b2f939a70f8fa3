import { driverChaos } from './driver-suite.ts'
import { serviceChaos } from './service-suite.ts'

driverChaos('cromwell')
serviceChaos('cromwell')
