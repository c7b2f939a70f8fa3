import type { BackendType } from '../../lib/backends/index.ts'
import type { ConfigSources } from '../../lib/config.ts'
import { PmanError } from '../../lib/errors.ts'

type Drivers = NonNullable<ConfigSources['drivers']>

const content = async () => ({ problems: () => [] })

/** A driver without objections for every engine that pman had, whichever this release has. */
export const ALL_ENGINES = Object.fromEntries(
  ['docker', 'podman', 'swarm', 'kubernetes', 'openshift', 'cromwell', 'slurm', 'local'].map((type) => [type, content]),
) as Record<BackendType, typeof content> satisfies Drivers

export const NO_SOURCES: ConfigSources = {
  readFile: async (path) => Promise.reject(new Error(`nobody asked for the file ${path}`)),
  readSecret: async (name) => Promise.reject(new Error(`nobody asked for the secret ${name}`)),
}

/** The lines of the PmanError `config` that it ends with. */
export async function problemsOf(work: Promise<unknown>): Promise<string[]> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof PmanError) || error.code !== 'config') throw new Error('no configuration error', { cause: error })
  return error.message.split('\n')
}
