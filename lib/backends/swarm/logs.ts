import type { DockerApi } from '../../engines/docker-api.ts'
import { tailOf } from '../../jobs/log-tail.ts'
import type { LogBounds, LogTail } from '../../jobs/types.ts'
import { containerLogs } from '../docker/logs.ts'
import { hasContainer, nodeOf } from './node.ts'
import type { Task } from './shapes.ts'

const NEWLINE = 0x0a

/** The end of a task's output (Docker Engine API 1.41, TaskLogs, whose stream is that of ContainerLogs). Throws if it cannot be read. */
async function taskLog(api: DockerApi, task: Task, bounds: LogBounds, signal: AbortSignal): Promise<LogTail> {
  const path = `/tasks/${task.ID}/logs`
  const ask = (tail: number) => api.stream({ method: 'GET', path, query: { stdout: true, stderr: true, tail }, signal })
  const log = await containerLogs(ask, bounds)
  if (log.bytes.length === 0 && !log.truncated) await requireContainer(api, task, signal)
  return log
}

/** The log of a task whose container somebody has deleted is empty, without a word. That is seen here on the node that is spoken to. */
async function requireContainer(api: DockerApi, { NodeID, Status }: Task, signal: AbortSignal): Promise<void> {
  const id = Status.ContainerStatus?.ContainerID
  if (id === undefined || (await hasContainer(api, id, signal)) || (await nodeOf(api, signal)) !== NodeID) return
  throw new Error('its container was deleted on its node, and its log with it')
}

/**
 * The output of all tasks, worker after worker. Of several, each has an equal part of the bounds, so that the last does not hide the
 * others, and every line says whose it is.
 */
export async function logOf(api: DockerApi, tasks: readonly Task[], bounds: LogBounds, signal: AbortSignal): Promise<LogTail> {
  const inOrder = [...tasks].sort((a, b) => (a.Slot ?? 0) - (b.Slot ?? 0) || (a.CreatedAt ?? '').localeCompare(b.CreatedAt ?? ''))
  const ran = inOrder.filter(({ Status }) => (Status.ContainerStatus?.ContainerID ?? '') !== '')
  const [only] = ran
  if (only === undefined) return { bytes: new Uint8Array(), truncated: false }
  if (tasks.length === 1) return taskLog(api, only, bounds, signal)
  const share = { tailLines: part(bounds.tailLines, ran.length), maxBytes: part(bounds.maxBytes, ran.length) }
  const parts: Uint8Array[] = []
  let truncated = false
  for (const task of ran) {
    const log = await taskLog(api, task, share, signal)
    parts.push(prefixed(log.bytes, `worker ${(task.Slot ?? 1) - 1}: `))
    truncated ||= log.truncated
  }
  return tailOf({ bytes: Buffer.concat(parts), truncated }, bounds)
}

const part = (whole: number, parts: number): number => (whole === 0 ? 0 : Math.max(1, Math.floor(whole / parts)))

/** Every line with the prefix; the last one is ended, so that what follows begins a line of its own. */
export function prefixed(bytes: Uint8Array, prefix: string): Uint8Array {
  const words = Buffer.from(prefix)
  const pieces: Uint8Array[] = []
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(NEWLINE, start)
    const end = found < 0 ? bytes.length : found + 1
    pieces.push(words, bytes.subarray(start, end), ...(found < 0 ? [Uint8Array.of(NEWLINE)] : []))
    start = end
  }
  return Buffer.concat(pieces)
}
