import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { local } from '../../../lib/backends/local/index.ts'
import type { BackendHarness } from './harness.ts'

/** The driver `local`, in a directory of its own; jobs have half a second between SIGTERM and SIGKILL. */
export const localHarness: BackendHarness = {
  supports: local.supports,
  readOnlyInputs: false,
  seesDirectories: true,
  patience: 10_000,
  watch: 700,
  async setUp() {
    const root = await mkdtemp(join(tmpdir(), 'pman-local-'))
    const storebase = join(root, 'storebase')
    await mkdir(storebase)
    await writeFile(join(root, 'file'), '')
    const open = (directory: string, deployment: string) =>
      local.open({
        compute: 'contract',
        deployment,
        storage: { type: 'host', storebase },
        host: 'machine',
        options: { directory, killGrace: 500 },
        credentials: async () => undefined,
      })
    return {
      image: '',
      storebase,
      open: (deployment) => open(join(root, 'jobs'), deployment),
      openUnreachable: () => open(join(root, 'file', 'jobs'), 'contract'),
      tearDown: () => rm(root, { recursive: true, force: true }),
    }
  },
}
