import type { BackendModule } from '../../../lib/backends/contract.ts'
import { BACKENDS } from '../../../lib/backends/index.ts'

const MODULES: Readonly<Record<string, () => Promise<BackendModule>>> = BACKENDS
const WANTED = ['local', 'docker', 'podman', 'swarm', 'kubernetes', 'slurm', 'cromwell']

const loaded = new Map<string, BackendModule>()
// one after the other: jest cannot link modules side by side that share what they import
for (const type of WANTED) {
  const module = await MODULES[type]?.()
  if (module !== undefined) loaded.set(type, module)
}

/** Drivers by type, loaded before any test begins: tests that run side by side cannot load anything. */
export const DRIVERS: ReadonlyMap<string, BackendModule> = loaded

/** Throws for a type that has no driver yet. */
export function driverOf(type: string): BackendModule {
  const module = DRIVERS.get(type)
  if (module === undefined) throw new Error(`there is no driver ${type}`)
  return module
}
