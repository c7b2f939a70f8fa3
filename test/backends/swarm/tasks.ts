import type { Task } from '../../../lib/backends/swarm/shapes.ts'

/** What a test says of a task; the rest is of no consequence. */
export interface Said {
  state: string
  slot?: number
  wanted?: string
  err?: string
  message?: string
  code?: number
  /** Seconds. */
  at?: number
  /** Source and target. */
  mount?: readonly [string, string]
}

export const SERVICE = 's'.repeat(25)

/** A task as the engine tells of one. */
export function task({ state, slot = 1, wanted = 'running', err, message, code, at = 0, mount }: Said): Task {
  return {
    ID: `task-${slot}-${at}`,
    ServiceID: SERVICE,
    Slot: slot,
    DesiredState: wanted,
    ...(mount === undefined ? {} : { Spec: { ContainerSpec: { Mounts: [{ Source: mount[0], Target: mount[1] }] } } }),
    Status: {
      State: state,
      Timestamp: new Date(at * 1000).toISOString(),
      ...(message === undefined ? {} : { Message: message }),
      ...(err === undefined ? {} : { Err: err }),
      ...(code === undefined ? {} : { ContainerStatus: { ContainerID: 'c'.repeat(64), ExitCode: code } }),
    },
  }
}
