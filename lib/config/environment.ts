import { defaultStorageType, storageTakes } from './compute.ts'
import { pairEntries } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>
export type Path = readonly PropertyKey[]

/** A configuration as its source has it, before any check: in the shape of computes.yml. */
export interface Draft {
  raw: unknown
  /** The source's word for a place in `raw`. */
  says: (path: Path) => string
  problems: string[]
  warnings: string[]
}

interface Variable {
  name: string
  /** Its place in a compute. */
  path: readonly [string, ...string[]]
  /** From text, where the schema does not take text itself. */
  read?: (value: string) => unknown
  /** The engines that it is for; all, if absent. pman ignored it elsewhere, so this does too, with a warning. */
  only?: readonly string[]
}

const DOCKERS = ['docker', 'podman', 'swarm']
const KUBERNETES = ['kubernetes', 'openshift']

/** pman's settings (v3 to v6.3.1) as settings of a compute; those named PMAN_ are this project's own. */
const VARIABLES: readonly Variable[] = [
  { name: 'CONTAINER_ENV', path: ['type'] },
  { name: 'STORAGE_TYPE', path: ['storage', 'type'] },
  { name: 'STOREBASE', path: ['storage', 'storebase'] },
  { name: 'VOLUME_NAME', path: ['storage', 'volume'] },
  { name: 'NFS_SERVER', path: ['storage', 'nfsServer'] },
  { name: 'PFCON_SELECTOR', path: ['storage', 'pfconSelector'] },
  { name: 'CONTAINER_USER', path: ['user'] },
  { name: 'ENABLE_HOME_WORKAROUND', path: ['homeWorkaround'] },
  { name: 'SHM_SIZE', path: ['shmSizeMiB'] },
  { name: 'JOB_LABELS', path: ['labels'] },
  { name: 'JOB_LOGS_TAIL', path: ['logsTail'] },
  { name: 'IGNORE_LIMITS', path: ['ignoreLimits'] },
  { name: 'REMOVE_JOBS', path: ['removeJobs'] },
  { name: 'TIMELIMIT_MINUTES', path: ['timeLimitMinutes'] },
  { name: 'DOCKER_HOST', path: ['options', 'host'], only: DOCKERS },
  { name: 'DOCKER_CERT_PATH', path: ['options', 'certPath'], only: DOCKERS },
  { name: 'JOB_NAMESPACE', path: ['options', 'namespace'], only: KUBERNETES },
  { name: 'NODE_SELECTOR', path: ['options', 'nodeSelector'], only: KUBERNETES, read: selector },
  { name: 'IMAGE_PULL_SECRETS', path: ['options', 'imagePullSecrets'], only: KUBERNETES, read: names },
  { name: 'CROMWELL_URL', path: ['options', 'url'], only: ['cromwell'] },
  { name: 'PMAN_CREDENTIALS_SECRET', path: ['credentials'] },
  { name: 'PMAN_IMAGE_ALLOW_LIST', path: ['imageAllowList'] },
  { name: 'PMAN_LOCAL_DIRECTORY', path: ['options', 'directory'], only: ['local'] },
  { name: 'PMAN_LOCAL_RUNNER', path: ['options', 'runner'], only: ['local'] },
]

function names(value: string): string[] {
  return value.split(',').map((name) => name.trim())
}

/** What cannot be read stays text, which the driver refuses. */
function selector(value: string): unknown {
  const entries = pairEntries(value)
  return entries ? Object.fromEntries(entries) : value
}

/** What pman's v4.0 called CONTAINER_USER. */
const RUN_AS = ['SECURITYCONTEXT_RUN_AS_USER', 'SECURITYCONTEXT_RUN_AS_GROUP'] as const
/** pman v3's switches for its tokens. */
const TOKEN_SWITCHES = ['enableTokenAuth', 'tokenPath']

/** A variable that is empty counts as not set: that is what `X=${X}` gives in a compose file. */
export function valueOf(env: Environment, name: string): string | undefined {
  const value = env[name]
  return value === undefined || value.trim() === '' ? undefined : value
}

/** The variables of a compute, and the engines that each is for; undefined: all of them. */
export const engineVariables = (): { name: string; only: readonly string[] | undefined }[] => VARIABLES.map(({ name, only }) => ({ name, only }))

/** Which of the variables that describe a compute are set. */
export function computeVariables(env: Environment): string[] {
  return [...VARIABLES.map(({ name }) => name), ...RUN_AS].filter((name) => valueOf(env, name) !== undefined)
}

/** One compute out of pman's variables, named by its engine type, so that another engine never meets its records. */
export function draftFromEnvironment(env: Environment): Draft {
  const type = valueOf(env, 'CONTAINER_ENV')
  const storageType = valueOf(env, 'STORAGE_TYPE') ?? defaultStorageType(type)
  const compute: Record<string, unknown> = {}
  const warnings: string[] = []
  for (const variable of VARIABLES) {
    const value = valueOf(env, variable.name)
    if (value === undefined) continue
    const idle = withoutEffect(variable, type, storageType)
    if (idle) warnings.push(`${variable.name}: has no effect with ${idle}`)
    else put(compute, variable.path, variable.read ? variable.read(value) : value)
  }
  const problems = runAs(env, compute)
  const name = type !== undefined && /^[a-z0-9-]{1,32}$/.test(type) ? type : 'unnamed'
  const says = (path: Path) => variableOf(path.slice(2), compute.user !== valueOf(env, 'CONTAINER_USER'))
  return { raw: { computes: { [name]: compute } }, says, problems, warnings }
}

/** STOREBASE and VOLUME_NAME are never idle: where one has no place, its operator means another storage than the one that is set. */
function withoutEffect({ path, only }: Variable, type: string | undefined, storageType: string): string | undefined {
  if (only && type !== undefined && !only.includes(type)) return `CONTAINER_ENV=${type}`
  const [part, field] = path
  const minor = part === 'storage' && (field === 'nfsServer' || field === 'pfconSelector')
  return minor && !storageTakes(storageType, field) ? `STORAGE_TYPE=${storageType}` : undefined
}

function put(compute: Record<string, unknown>, [key, inner]: Variable['path'], value: unknown): void {
  compute[key] = inner === undefined ? value : { ...(compute[key] as Record<string, unknown> | undefined), [inner]: value }
}

/** Sets the compute's user from the v4.0 spelling; returns what is wrong with it. */
function runAs(env: Environment, compute: Record<string, unknown>): string[] {
  const [uid, gid] = RUN_AS.map((name) => valueOf(env, name))
  if (uid === undefined && gid === undefined) return []
  if (uid === undefined || gid === undefined) return [`${RUN_AS.join(' and ')}: must be set together`]
  const user = `${uid.trim()}:${gid.trim()}`
  const other = compute.user
  if (other !== undefined && other !== user) return [`CONTAINER_USER: contradicts ${RUN_AS.join(' and ')}; set one of the two spellings`]
  compute.user = user
  return []
}

function variableOf(path: Path, runAsSpelling: boolean): string {
  if (path[0] === 'user' && runAsSpelling) return RUN_AS.join(' and ')
  const variable = VARIABLES.find((one) => one.path.every((key, index) => path[index] === key))
  return variable ? [variable.name, ...path.slice(variable.path.length)].map(String).join('.') : path.map(String).join('.')
}

/** A pman operator's token switches are heard, not obeyed. */
export function tokenWarnings(env: Environment): string[] {
  return TOKEN_SWITCHES.filter((name) => valueOf(env, name) !== undefined).map(
    (name) => `${name}: has no effect; a token is always asked for, and the tokens are in the secret that PMAN_TOKENS_SECRET names`,
  )
}
