import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { slurm } from '../../../lib/backends/slurm/index.ts'
import type { Backend } from '../../../lib/backends/contract.ts'
import type { BackendHarness } from './harness.ts'

/** How the cluster is reached, from its file; undefined without one. */
export interface SlurmSite {
  url: string
  user: string
  token: string
}

export function slurmSite(env = process.env): SlurmSite | undefined {
  const { SLURM_REST_URL: url, SLURM_USER_NAME: user, SLURM_USER_TOKEN: token } = env
  return url === undefined || user === undefined || token === undefined ? undefined : { url, user, token }
}

/** The site, for suites that are only run where there is one. */
export const siteOrNone = (): SlurmSite => slurmSite() ?? { url: '', user: '', token: '' }

export const NO_SITE = 'no SLURM: SLURM_REST_URL, SLURM_USER_NAME, SLURM_USER_TOKEN'

/**
 * What stands in for a container here: the node's own system in another root, with the job's directories mounted, by unshare(1) without any
 * privilege. The environment is emptied, as a container's would be.
 */
const ENTER = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec unshare --user --map-root-user --mount /bin/sh -c '
root=$1 input=$2 output=$3; shift 3
mount -t tmpfs pman "$root" && cd "$root" || exit 125
for place in usr bin sbin lib lib64 etc dev proc; do
  [ -e "/$place" ] || continue
  mkdir "$place" && mount --rbind "/$place" "$place" || exit 125
done
mkdir -p tmp share/incoming share/outgoing
mount --bind "$input" share/incoming && mount -o remount,bind,ro share/incoming && mount --bind "$output" share/outgoing || exit 125
exec chroot . /usr/bin/env -i PATH=/usr/bin:/bin "$@"' enter "$@"
`

/** A site on this machine: a storebase and a directory for logs that "all nodes" share, and its launcher. */
export interface Ground {
  root: string
  storebase: string
  logs: string
  options: Readonly<Record<string, unknown>>
  open: (deployment: string, changes?: Readonly<Record<string, unknown>>, token?: () => string) => Backend
  tearDown: () => Promise<void>
}

/** What a directory has once it is laid out, and a driver's options for it; `prefix` goes before a job's command, inside. */
export function slurmLayout(root: string, url: string, prefix = '') {
  const [storebase, logs, place, enter] = [join(root, 'storebase'), join(root, 'logs'), join(root, 'root'), join(root, 'enter')]
  const launch = `${enter} ${place} {input} {output} ${prefix} {command}`
  const options: Readonly<Record<string, unknown>> = { url, launch, directory: logs, seesStorebase: true }
  return { storebase, logs, place, enter, options }
}

/** Makes of a directory what gateway and nodes share. */
export async function layOut(root: string): Promise<void> {
  const { storebase, logs, place, enter } = slurmLayout(root, '')
  await chmod(root, 0o755)
  for (const directory of [storebase, logs, place]) {
    await mkdir(directory)
    await chmod(directory, 0o777)
  }
  await writeFile(enter, ENTER, { mode: 0o755 })
}

export async function slurmGround({ url, user, token }: SlurmSite): Promise<Ground> {
  const root = await mkdtemp(join(tmpdir(), 'pman-slurm-'))
  await layOut(root)
  const { storebase, logs, options } = slurmLayout(root, url)
  return {
    root,
    storebase,
    logs,
    options,
    open: (deployment, changes = {}, readToken = () => token) =>
      slurm.open({
        compute: 'contract',
        deployment,
        storage: { type: 'host', storebase },
        host: 'machine',
        options: Object.fromEntries(Object.entries({ ...options, ...changes }).filter(([, value]) => value !== undefined)),
        credentials: async () => JSON.stringify({ user, token: readToken() }),
      }),
    tearDown: () => rm(root, { recursive: true, force: true }),
  }
}

/** The driver `slurm` on a real cluster, whose limits of time are whole minutes, swept twice a minute. */
export const slurmHarness = (site: SlurmSite): BackendHarness => ({
  supports: slurm.supports,
  readOnlyInputs: true,
  seesDirectories: true,
  patience: 150_000,
  watch: 1500,
  async setUp() {
    const ground = await slurmGround(site)
    return {
      image: 'example.org/none:1',
      storebase: ground.storebase,
      open: ground.open,
      openUnreachable: () => ground.open('contract', { url: 'http://127.0.0.1:1' }),
      tearDown: ground.tearDown,
    }
  },
})
