import type { BackendModule } from './contract.ts'

/** Engine type -> its driver, loaded when it is first used. Adding an engine is one line here. */
export const BACKENDS = {
  cromwell: () => import('./cromwell/index.ts').then((module) => module.cromwell),
  docker: () => import('./docker/index.ts').then((module) => module.docker),
  kubernetes: () => import('./kubernetes/index.ts').then((module) => module.kubernetes),
  local: () => import('./local/index.ts').then((module) => module.local),
  openshift: () => import('./openshift/index.ts').then((module) => module.openshift),
  podman: () => import('./podman/index.ts').then((module) => module.podman),
  slurm: () => import('./slurm/index.ts').then((module) => module.slurm),
  swarm: () => import('./swarm/index.ts').then((module) => module.swarm),
} as const satisfies Record<string, () => Promise<BackendModule>>

export type BackendType = keyof typeof BACKENDS
export const BACKEND_TYPES = Object.keys(BACKENDS) as BackendType[]
