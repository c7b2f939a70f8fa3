/** The engines that the core is simulated on keep the contract that real ones keep. */
import { PROFILES } from '../../simulation/profiles.ts'
import { skip } from '../../support/skip.ts'
import { simulatedHarness } from './simulated-harness.ts'
import { backendContract } from './suite.ts'

/** Profiles that cannot hold a sentence of the contract, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  slurm: 'its controller keeps the record of a job that was removed, so that `absent` after `remove` and an empty list never come',
}

for (const profile of PROFILES) {
  const why = LEFT_OUT[profile.name]
  if (why === undefined) backendContract(`simulated ${profile.name}`, simulatedHarness(profile))
  else skip(`the backend contract: simulated ${profile.name}`, why)
}
