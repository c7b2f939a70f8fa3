import { localHarness } from './local-harness.ts'
import { backendContract } from './suite.ts'

backendContract('local', localHarness)
