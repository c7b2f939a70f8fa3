import { openshift } from '../../../lib/backends/openshift/index.ts'
import { skip } from '../../support/skip.ts'
import { clusterHarness, clusterIsMissing } from './kubernetes-harness.ts'
import { backendContract } from './suite.ts'

const missing = clusterIsMissing()
// The suite's user is outside of the project's range: test/backends/openshift tells what comes of that.
const supports = { ...openshift.supports, user: false }
if (missing === undefined) backendContract('openshift', clusterHarness(openshift, 'KUBE_NAMESPACE_OPENSHIFT', supports))
else skip('the backend contract: openshift', missing)
