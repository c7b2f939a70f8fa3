/** The jobs' data as an engine of the Docker kind mounts it: from the storage settings and a job's mounts to entries of `HostConfig.Mounts`. */
import { posix } from 'node:path'
import { isAtLeast } from '../../engines/docker-api.ts'
import { relativePathProblem } from '../../jobs/paths.ts'
import type { Mount } from '../../jobs/types.ts'
import { PmanError } from '../../errors.ts'
import { EngineRejected } from '../contract.ts'
import type { StorageSettings } from '../contract.ts'
import { isSeen, locate } from './storage-seen.ts'
import type { Place } from './storage-seen.ts'
import { findBase } from './storage-volume.ts'
import type { CheckMounts, DockerMount, DockerMounts, StorageContext } from './types.ts'

/** What is wrong with these storage settings on such an engine, as `path: text`; empty if nothing is. */
export function storageProblems({ type, storebase }: StorageSettings): string[] {
  if (!['host', 'docker_local_volume', 'nfs'].includes(type)) return ['storage.type: must be host, docker_local_volume or nfs on this engine']
  return type === 'docker_local_volume' || storebase?.startsWith('/') ? [] : ['storage.storebase: must be an absolute path']
}

/** See `CheckMounts`. What is in a volume, or on a server, only `dockerMounts` can tell. */
export const checkMounts: CheckMounts = async (context, mounts) => {
  const { type, storebase } = context.storage
  await placesOf(type === 'host' ? storebase : undefined, context, mounts)
}

/** See `DockerMounts`. */
export const dockerMounts: DockerMounts = async (api, context, mounts, signal) => {
  const { storage } = context
  if (storage.type === 'nfs') {
    await placesOf(undefined, context, mounts)
    return mounts.map((mount) => nfsMount(storage, mount))
  }
  const base = storage.type === 'host' ? { path: storage.storebase ?? '' } : await findBase(api, storage, signal)
  if ('volume' in base && (await hasSubpaths(api, signal))) {
    await placesOf(undefined, context, mounts)
    return mounts.map((mount) => subpathMount(base.volume.name, mount))
  }
  const path = 'path' in base ? base.path : directoryOf(base.volume)
  const places = await placesOf(path, context, mounts)
  return mounts.map((mount, index) => bindMount(places[index] ?? posix.join(path, mount.source), mount))
}

/** Docker has `VolumeOptions.Subpath` from API 1.45 on (version history of the Engine API); Podman's compatible API has not. */
async function hasSubpaths(api: Parameters<DockerMounts>[0], signal: AbortSignal): Promise<boolean> {
  const { api: version, product } = await api.version(signal)
  return product === 'docker' && isAtLeast(version, '1.45')
}

function directoryOf({ name, directory, why }: { name: string; directory?: string | undefined; why?: string | undefined }): string {
  if (directory !== undefined) return directory
  throw new PmanError('config', `storage: the volume '${name}' ${why ?? 'has no directory'}; this engine mounts parts of plain local volumes only`)
}

/** The directories of the mounts, in their order, on the engine's host. Throws EngineRejected with each field that is wrong. */
async function placesOf(base: string | undefined, { host }: StorageContext, mounts: readonly Mount[]): Promise<string[]> {
  const seen = base !== undefined && host === 'machine' && (await isSeen(base))
  const places = await Promise.all(mounts.map(async ({ source }) => (base === undefined ? lexical(source) : locate(base, source, seen))))
  const wrong = mounts.flatMap((mount, index) => {
    const place = places[index]
    return place !== undefined && 'problem' in place ? [[mount, place.problem] as const] : []
  })
  if (wrong.length > 0) throw refusedMounts(wrong)
  return places.flatMap((place) => ('path' in place ? [place.path] : []))
}

function lexical(source: string): Place {
  const problem = relativePathProblem(source)
  return problem === undefined ? { path: source } : { problem }
}

/** `Mounts`, never `Binds`: of these the engine makes a directory that is not there, as root. */
const bindMount = (path: string, { target, readOnly }: Mount): DockerMount => ({ Type: 'bind', Source: path, Target: target, ReadOnly: readOnly })

/** NoCopy: what the image has at that place is not written into the volume. */
const subpathMount = (volume: string, { source, target, readOnly }: Mount): DockerMount => ({
  Type: 'volume',
  Source: volume,
  Target: target,
  ReadOnly: readOnly,
  VolumeOptions: { NoCopy: true, Subpath: source },
})

/**
 * A volume without a name, which goes with its container: DELETE needs `v=true`. Its driver's options are those of mount(8)
 * (docs.docker.com/engine/storage/volumes, "Create a service which creates an NFS volume").
 */
const nfsMount = ({ nfsServer, storebase }: StorageSettings, { source, target, readOnly }: Mount): DockerMount => ({
  Type: 'volume',
  Source: '',
  Target: target,
  ReadOnly: readOnly,
  VolumeOptions: {
    NoCopy: true,
    DriverConfig: {
      Name: 'local',
      Options: { type: 'nfs', o: `addr=${nfsServer ?? ''},${readOnly ? 'ro' : 'rw'}`, device: `:${posix.join(storebase ?? '', source)}` },
    },
  },
})

/** What engines say of a directory that they cannot mount, and what a caller is told instead: their own words hold the storebase. */
const SAID: readonly (readonly [RegExp, string])[] = [
  [/does not exist|no such file or directory/, 'does not exist'],
  [/file name too long/, 'has a name that is too long for the file system'],
  [/too many levels of symbolic links/, 'is a loop of symbolic links'],
  [/not a directory/, 'is not a directory'],
  [/permission denied/, 'cannot be read by the engine'],
  [/read-only file system/, 'is on a file system that is read-only'],
]

/**
 * The refusal that an engine's message is, if it speaks of the directory of a mount (`entries` are what `dockerMounts` gave for `mounts`);
 * undefined: it speaks of something else. dockerd says `bind source path does not exist: PATH`, Podman `statfs PATH: no such file or directory`.
 */
export function mountRefusal(message: string, mounts: readonly Mount[], entries: readonly DockerMount[]): EngineRejected | undefined {
  const named = entries.map(pathOf).filter((path) => path !== '' && namesPath(message, path))
  const longest = named.sort((a, b) => b.length - a.length)[0]
  if (longest === undefined) return undefined
  const problem = SAID.find(([pattern]) => pattern.test(message.replace(longest, '')))?.[1] ?? 'is refused by the engine'
  return refusedMounts(mounts.flatMap((mount, index) => (pathOf(entries[index]) === longest ? [[mount, problem] as const] : [])))
}

function pathOf(entry: DockerMount | undefined): string {
  const { Subpath, DriverConfig } = entry?.VolumeOptions ?? {}
  return DriverConfig?.Options.device ?? (Subpath === undefined ? (entry?.Source ?? '') : `/${Subpath}`)
}

/** The path and not a longer one. */
function namesPath(message: string, path: string): boolean {
  const after = message[message.indexOf(path) + path.length] ?? ''
  return message.includes(path) && ['', ':', ' ', '"', "'", ','].includes(after)
}

function refusedMounts(wrong: readonly (readonly [Mount, string])[]): EngineRejected {
  const told = wrong.map(([{ field, source }, problem]) => [field, `'${source}' ${problem}`] as const)
  const text = told.map(([field, problem]) => `${field}: ${problem}`).join('; ')
  return new EngineRejected(text, { reason: 'MountRefused', fields: Object.fromEntries(told) })
}
