import type { BackendModule } from './contract.ts'

/** Engine type -> its driver, loaded when it is first used. Adding an engine is one line here. */
export const BACKENDS = {
  docker: () => import('./docker/index.ts').then((module) => module.docker),
  local: () => import('./local/index.ts').then((module) => module.local),
  podman: () => import('./podman/index.ts').then((module) => module.podman),
  swarm: () => import('./swarm/index.ts').then((module) => module.swarm),
} as const satisfies Record<string, () => Promise<BackendModule>>

export type BackendType = keyof typeof BACKENDS
export const BACKEND_TYPES = Object.keys(BACKENDS) as BackendType[]
