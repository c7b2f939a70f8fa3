import type { DockerApi } from '../../engines/docker-api.ts'
import type { Mount } from '../../jobs/types.ts'
import type { BackendContext, Call } from '../contract.ts'

/**
 * One entry of `HostConfig.Mounts`, and of `TaskTemplate.ContainerSpec.Mounts` of a Swarm service
 * (Docker Engine API 1.41, ContainerCreate and ServiceCreate, definition Mount).
 */
export interface DockerMount {
  Type: 'bind' | 'volume'
  Source: string
  Target: string
  ReadOnly: boolean
  BindOptions?: { Propagation?: string; NonRecursive?: boolean; CreateMountpoint?: boolean }
  VolumeOptions?: {
    NoCopy?: boolean
    Labels?: Readonly<Record<string, string>>
    DriverConfig?: { Name: string; Options: Readonly<Record<string, string>> }
    /** From API 1.45 on. */
    Subpath?: string
  }
}

/** Logins by registry host, such as `registry.example.org:5000`; Docker Hub is `docker.io`. */
export type Registries = ReadonlyMap<string, { username: string; password: string }>

/** The client and the logins that the compute's settings and its secret give at this moment. */
export interface Session {
  api: DockerApi
  registries: Registries
}
/** Reads the secret anew when it has aged, or `fresh`: now; the client is the same as long as the secret's text is. Throws PmanError. */
export type Sessions = (how?: { fresh: boolean }) => Promise<Session>

/** When an image is pulled: where the engine has none of that name, for every job, or not at all. */
export type PullPolicy = 'missing' | 'always' | 'never'

/** storage.ts: what is known of the jobs' data, and whether this process may see it itself. */
export type StorageContext = Pick<BackendContext, 'storage' | 'host'>

/**
 * storage.ts, `dockerMounts`: what the job's directories are to the engine. Throws EngineRejected naming each `Mount.field` that is wrong;
 * anything else means that it could not be told.
 */
export type DockerMounts = (api: DockerApi, context: StorageContext, mounts: readonly Mount[], signal: AbortSignal) => Promise<DockerMount[]>
/** storage.ts, `checkMounts`: what can be refused without the engine, lexically and, where the storebase is seen from here, by looking. Throws EngineRejected. */
export type CheckMounts = (context: StorageContext, mounts: readonly Mount[]) => Promise<void>

/** images.ts, `imagePuller(sessions, policy)`: one per driver. */
export interface Images {
  /**
   * Has the engine fetch the image, one pull for all that wait for it; the answer goes into the record, `preparedImage` reads it. Throws
   * EngineRejected with ImageNotFound or ImageRefused, NotYet with RegistryUnreachable; anything else is trouble of the engine's own.
   */
  prepare(image: string, call: Call): Promise<string>
  /** What a create names as its image: the id that `prepare` has found, or the reference in full. Throws NeedsPreparation where every job is to be prepared. */
  resolve(image: string, prepared: string | undefined): string
}
export type ImagePuller = (sessions: Sessions, policy: PullPolicy) => Images
