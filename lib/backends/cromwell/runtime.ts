import type { JobSpec, Mount } from '../../jobs/types.ts'
import type { EngineJob } from '../contract.ts'
import type { CromwellOptions } from './options.ts'
import { isPlainPath } from './paths.ts'

/** The runtime attributes of the call, as they stand between quotes. A site's configuration declares those that it has a use for. */
export type RuntimeAttributes = Readonly<Record<string, string>>

/**
 * What Cromwell takes for an image (`DockerImageIdentifier`): narrower than what Docker does. Nothing in it means anything to a shell, into
 * whose text Cromwell puts the attributes as they are (`ConfigAsyncJobExecutionActor`).
 */
const NAME = '[a-z0-9]+(?:[._-][a-z0-9]+)*'
const REFERENCE = '[A-Za-z0-9][-.:_A-Za-z0-9]*'
const IMAGE = new RegExp(`^${NAME}(?::(?:[0-9]{4,5}|443))?(?:/${NAME})*(?::${REFERENCE})?(?:@${REFERENCE})?$`)

const INCOMING = '/share/incoming'
const OUTGOING = '/share/outgoing'
const SHARE = '/share'

type Problem = readonly [field: string, problem: string]

/** What of a job this engine cannot take, by the request's fields. */
export function problemsOf(spec: JobSpec, options: Pick<CromwellOptions, 'storebase' | 'directories'>): Problem[] {
  const argv = [...spec.entrypoint, ...spec.args]
  const [program = ''] = argv
  const problems: Problem[] = []
  if (argv.length === 0) problems.push(['entrypoint', 'must name a program, since Cromwell does not run what the image would'])
  else if (program === '' || program.includes('=')) problems.push(['entrypoint', 'must begin with the name of a program, without "="'])
  if ([...argv, ...spec.env].some((word) => word.includes('\0'))) problems.push(['args', 'must not hold a NUL'])
  if (!IMAGE.test(spec.image)) problems.push(['image', `'${spec.image}' is not a name that Cromwell takes: lower case, parts joined by one of . _ -, a port of 4 or 5 digits`])
  for (const mount of spec.mounts) {
    if (![INCOMING, OUTGOING, SHARE].includes(mount.target)) problems.push([mount.field, `cannot be mounted at ${mount.target} here`])
    else if (!isPlainPath(pathOf(mount, options.storebase))) problems.push([mount.field, 'must hold no characters but A-Z a-z 0-9 . _ / - here'])
  }
  if (problems.length === 0 && options.directories === 'parent' && !('sharedir' in directoriesOf(spec.mounts, options.storebase))) {
    const fields = spec.mounts.map(({ field }) => field)
    problems.push(...fields.map((field) => [field, 'must be "incoming" and "outgoing" of one directory here'] as const))
  }
  return problems
}

/** The attributes of a job that `problemsOf` has nothing against. */
export function runtimeOf(job: EngineJob, options: Pick<CromwellOptions, 'storebase' | 'partition'>): RuntimeAttributes {
  const { limits, spec, user } = job
  return {
    docker: spec.image,
    ...directoriesOf(spec.mounts, options.storebase),
    ...(limits.cpu > 0 ? { cpu: whole(limits.cpu / 1000) } : {}),
    // Cromwell's M is 2^20 bytes (`MemoryUnit`).
    ...(limits.memory > 0 ? { memory: `${whole(limits.memory)}M` } : {}),
    gpu_limit: whole(limits.gpu),
    number_of_workers: whole(spec.workers),
    ...(limits.time > 0 ? { timelimit: whole(limits.time / 60) } : {}),
    ...(options.partition === undefined ? {} : { slurm_partition: options.partition }),
    ...(user === undefined ? {} : { uid: whole(user.uid), gid: whole(user.gid) }),
    maxRetries: '0',
  }
}

/** Throws for anything but a number that is not negative: nothing else may stand in a script. */
function whole(number: number): string {
  const text = String(Math.ceil(number))
  if (!/^[0-9]+$/.test(text)) throw new Error(`${number} is not a number for Cromwell`)
  return text
}

/** `inputdir` and `outputdir`; and `sharedir`, where the job finds both in one directory that is mounted at /share. */
function directoriesOf(mounts: readonly Mount[], storebase: string): Record<string, string> {
  const byTarget = new Map(mounts.map((mount) => [mount.target, pathOf(mount, storebase)]))
  const [share, incoming, outgoing] = [SHARE, INCOMING, OUTGOING].map((target) => byTarget.get(target))
  const parent = incoming?.replace(/\/incoming$/, '')
  const shared = parent !== incoming && parent !== '' && outgoing === `${parent ?? ''}/outgoing` ? parent : share
  return {
    ...(incoming === undefined ? {} : { inputdir: incoming }),
    ...(outgoing === undefined ? {} : { outputdir: outgoing }),
    ...(shared === undefined ? {} : { sharedir: shared }),
  }
}

const pathOf = ({ source }: Mount, storebase: string): string => `${storebase.replace(/\/+$/, '')}/${source}`
