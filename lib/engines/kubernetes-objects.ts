/** Kubernetes' objects, as the official client's types have them (Kubernetes API reference). */
import type {
  CoreV1Event,
  V1Container,
  V1ContainerStateTerminated,
  V1ContainerStatus,
  V1DeleteOptions,
  V1EnvVar,
  V1Job,
  V1ObjectMeta,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodSecurityContext,
  V1PodSpec,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node'

/** An object's shape alone: the client's types are classes, but it takes and gives any object with their fields. */
type Shape<T> = T extends Date ? Date : T extends readonly (infer U)[] ? Shape<U>[] : T extends object ? { [K in keyof T]: Shape<T[K]> } : T

export type Job = Shape<V1Job>
export type Pod = Shape<V1Pod>
export type Event = Shape<CoreV1Event>
export type Claim = Shape<V1PersistentVolumeClaim>
export type DeleteOptions = Shape<V1DeleteOptions>
export type Metadata = Shape<V1ObjectMeta>
export type PodSpec = Shape<V1PodSpec>
export type PodSecurityContext = Shape<V1PodSecurityContext>
export type Container = Shape<V1Container>
export type ContainerStatus = Shape<V1ContainerStatus>
export type Terminated = Shape<V1ContainerStateTerminated>
export type EnvironmentVariable = Shape<V1EnvVar>
export type Volume = Shape<V1Volume>
export type VolumeMount = Shape<V1VolumeMount>
