/** The simulated engines, one row each. What an engine leaves open by its nature is named in its `windows`; nothing else is excused. */
import { cromwell } from './engines/cromwell.ts'
import { docker } from './engines/docker.ts'
import { kubernetes } from './engines/kubernetes.ts'
import { local } from './engines/local.ts'
import type { Profile } from './engines/profile.ts'
import { slurm } from './engines/slurm.ts'
import { swarm } from './engines/swarm.ts'

export const PROFILES: readonly Profile[] = [kubernetes, docker, swarm, slurm, cromwell, local]
