/** What the engine's refusals mean. Docker gives no codes for them, so its words are read: tables, pure. */
import type { DockerRefusal } from '../../engines/docker-api.ts'
import type { Reason } from '../../jobs/reasons.ts'
import type { JobSpec } from '../../jobs/types.ts'
import { EngineRejected } from '../contract.ts'
import { withoutSources } from './redact.ts'
import type { Mounted } from './redact.ts'

/**
 * Why a start failed, by the words of runc, crun and dockerd (runc libcontainer: init_linux.go, standard_init_linux.go; moby: daemon/start.go,
 * errors.go; opencontainers/runc user.go). The first that matches counts.
 */
const START_FAILED: readonly (readonly [words: RegExp, reason: Reason])[] = [
  [/unable to find (user|group)|no matching entries in (passwd|group) file|uids and gids must be in range|set(uid|gid|groups)\b.*(invalid|not permitted)/i, 'UserRefused'],
  [/error mounting|failed to mount|invalid mount|bind source path|mount(ing)? .*(no such file|not a directory|permission denied|read-only)/i, 'MountRefused'],
  [/executable file not found|(exec|stat)[: ].*(no such file or directory|not a directory)|crun: .*no such file/i, 'CommandNotFound'],
  [/exec.*(permission denied|exec format error|is a directory|argument list too long)|cannot execute|EACCES/i, 'NotExecutable'],
  [/could not select device driver|unresolvable CDI devices/i, 'EngineRejected'],
  [/apparmor|seccomp|selinux|authorization denied/i, 'PolicyRefused'],
]

/** By the exit code that the engine has put down for a start that failed (moby: daemon/start.go, translateContainerdStartErr). */
const BY_EXIT_CODE: ReadonlyMap<number, Reason> = new Map([
  [127, 'CommandNotFound'],
  [126, 'NotExecutable'],
])

/** Why a container that is still `created` could not be started. */
export function startReason(message: string, exitCode: number): Reason {
  return START_FAILED.find(([words]) => words.test(message))?.[1] ?? BY_EXIT_CODE.get(exitCode) ?? 'StartFailed'
}

interface Refused {
  reason: Reason
  /** The request's fields, if it was the request that asked for it. */
  fields: (spec: JobSpec) => readonly string[]
}

const nobody = (): readonly string[] => []
const asked = (field: string, wanted: (spec: JobSpec) => number) => (spec: JobSpec) => (wanted(spec) > 0 ? [field] : [])

/** Why a create was refused, where it is not for a directory that can be named (storage.ts), by dockerd's words (moby: daemon/daemon_unix.go verifyPlatformContainerResources, volume/mounts/validate.go). */
const CREATE_REFUSED: readonly (readonly [words: RegExp, refused: Refused])[] = [
  [/memory limit|memoryswap|memory limit should be/i, { reason: 'EngineRejected', fields: asked('memory_limit', (spec) => spec.memoryLimit) }],
  [/range of cpus|nano ?cpus|cpu/i, { reason: 'EngineRejected', fields: asked('cpu_limit', (spec) => spec.cpuLimit) }],
  [/device driver|devicerequest|gpu/i, { reason: 'EngineRejected', fields: asked('gpu_limit', (spec) => spec.gpuLimit) }],
  [/mount|bind source path|volume/i, { reason: 'MountRefused', fields: nobody }],
  [/authorization denied/i, { reason: 'PolicyRefused', fields: nobody }],
]

/** The error for a create that the engine has refused, with its words and, where they are to blame, the request's fields. */
export function createRejected(refusal: DockerRefusal, spec: JobSpec, mounted: readonly Mounted[] = []): EngineRejected {
  const message = withoutSources(refusal.message, mounted)
  const refused = CREATE_REFUSED.find(([words]) => words.test(message))?.[1]
  const fields = refused?.fields(spec) ?? []
  const named = fields.length === 0 ? {} : { fields: Object.fromEntries(fields.map((field) => [field, message])) }
  const text = fields.length === 0 ? message : `${fields.join(', ')}: ${message}`
  return new EngineRejected(text, { reason: refused?.reason ?? 'EngineRejected', ...named, cause: refusal })
}
