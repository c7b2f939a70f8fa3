import type { BackendModule } from './contract.ts'

/** Engine type -> its driver, loaded when it is first used. Adding an engine is one line here. */
export const BACKENDS = {
  local: () => import('./local/index.ts').then((module) => module.local),
} as const satisfies Record<string, () => Promise<BackendModule>>

export type BackendType = keyof typeof BACKENDS
export const BACKEND_TYPES = Object.keys(BACKENDS) as BackendType[]
