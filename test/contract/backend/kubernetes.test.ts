import { kubernetes } from '../../../lib/backends/kubernetes/index.ts'
import { skip } from '../../support/skip.ts'
import { clusterHarness, clusterIsMissing } from './kubernetes-harness.ts'
import { backendContract } from './suite.ts'

const missing = clusterIsMissing()
if (missing === undefined) backendContract('kubernetes', clusterHarness(kubernetes, 'KUBE_NAMESPACE'))
else skip('the backend contract: kubernetes', missing)
