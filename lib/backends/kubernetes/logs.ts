import type { Pod } from '../../engines/kubernetes-objects.ts'
import { tailOf } from '../../jobs/log-tail.ts'
import type { LogBounds, LogTail } from '../../jobs/types.ts'
import { LogGone, type Call } from '../contract.ts'
import { statusOf } from './credentials.ts'
import type { OwnJobs } from './jobs.ts'
import { isFinished } from './judge.ts'
import { CONTAINER } from './manifest.ts'
import { indexOf } from './pods.ts'
import type { JobId } from './ref.ts'

/**
 * The end of the output of every worker whose pod is there, in equal shares; with several, each line begins with its worker. A worker whose
 * pod the engine has removed is named instead. Throws LogGone if the only one has lost its container; an error if neither the Job nor a pod is there.
 */
export async function logs(jobs: OwnJobs, id: JobId, bounds: LogBounds, { signal }: Call): Promise<LogTail> {
  const job = await jobs.byId(id, signal)
  const pods = new Map((await jobs.podsOf([id.uid], signal)).map((pod) => [indexOf(pod), pod]))
  if (job === undefined && pods.size === 0) throw new Error('the job is not there')
  const workers = Math.max(job?.spec?.completions ?? 1, ...[...pods.keys()].map((index) => index + 1))
  const share: LogBounds = { tailLines: Math.ceil(bounds.tailLines / workers), maxBytes: Math.floor(bounds.maxBytes / workers) }
  const parts: LogTail[] = []
  const gone: string[] = []
  for (let worker = 0; worker < workers; worker++) {
    const pod = pods.get(worker)
    const read = pod && (await podTail(jobs, pod, share, signal))
    if (workers === 1 && pod !== undefined && read === undefined) throw new LogGone('its container was removed by the engine, and its log with it')
    const isRemoved = read === undefined && isFinished(job) && pods.size > 0
    if (isRemoved) gone.push(`worker ${worker}: `)
    const tail = read ?? (isRemoved ? REMOVED : EMPTY)
    parts.push(workers === 1 ? tail : { ...tail, bytes: prefixed(tail.bytes, `worker ${worker}: `) })
  }
  const whole = tailOf({ bytes: Buffer.concat(parts.map(({ bytes }) => bytes)), truncated: parts.some(({ truncated }) => truncated) }, bounds)
  return gone.length === 0 ? whole : { ...whole, gone }
}

const EMPTY: LogTail = { bytes: new Uint8Array(), truncated: false }
const REMOVED: LogTail = { bytes: Buffer.from('(its pod was removed by the engine, and its log with it)\n'), truncated: true }

/** The least that a runtime puts into one line of its file, when it breaks a long one: CRI-O and containerd have 8 and 16 KiB. */
const LEAST_BREAK = 4096

/**
 * The kubelet counts the lines of its file, where a long line of the job is several: so many are asked for that what is wanted is among
 * them, whatever was broken. Its limit of bytes would cut the end off. undefined: the pod, or its container, is gone.
 */
async function podTail(jobs: OwnJobs, { metadata, status }: Pod, bounds: LogBounds, signal: AbortSignal): Promise<LogTail | undefined> {
  const lines = bounds.tailLines + Math.ceil(bounds.maxBytes / LEAST_BREAK) + 1
  try {
    return await jobs.ask(async (api) => {
      const { body } = await api.podLog(metadata?.name ?? '', CONTAINER, lines, signal)
      const tail = await lastBytes(body as AsyncIterable<Buffer>, bounds.maxBytes)
      const { containerID } = status?.containerStatuses?.find(({ name }) => name === CONTAINER) ?? {}
      return isNoLog(tail, containerID) ? undefined : tailOf(tail, bounds)
    })
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    // The pod waits for its image: there is no container yet.
    if (statusOf(error) === 400) return EMPTY
    throw error
  }
}

/** What the kubelet says in place of the log, with status 200, once it has removed the container of a pod that is being deleted. */
export const isNoLog = ({ bytes }: LogTail, containerID: string | undefined): boolean =>
  containerID !== undefined && Buffer.from(bytes).toString().trim() === `unable to retrieve container logs for ${containerID}`

/** The last bytes of a stream, of which little more than these is ever kept. */
async function lastBytes(stream: AsyncIterable<Buffer>, maxBytes: number): Promise<LogTail> {
  let chunks: Buffer[] = []
  let size = 0
  let truncated = false
  const keep = (): void => {
    const bytes = Buffer.concat(chunks)
    truncated ||= bytes.length > maxBytes
    chunks = [bytes.subarray(Math.max(0, bytes.length - maxBytes))]
    size = Math.min(size, maxBytes)
  }
  for await (const chunk of stream) {
    chunks.push(chunk)
    size += chunk.length
    if (size > 2 * maxBytes + LEAST_BREAK) keep()
  }
  keep()
  return { bytes: chunks[0] ?? new Uint8Array(), truncated }
}

const NEWLINE = 0x0a

/** Every line with these words before it, and a newline at the end of the last. */
function prefixed(bytes: Uint8Array, prefix: string): Uint8Array {
  const lines: Uint8Array[] = []
  for (let from = 0; from < bytes.length; ) {
    const at = bytes.indexOf(NEWLINE, from)
    const end = at === -1 ? bytes.length : at + 1
    lines.push(Buffer.from(prefix), bytes.subarray(from, end), ...(at === -1 ? [Buffer.from('\n')] : []))
    from = end
  }
  return Buffer.concat(lines)
}
