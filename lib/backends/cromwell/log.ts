import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import type { Workflow } from '../../engines/cromwell-api.ts'
import { tailOf } from '../../jobs/log-tail.ts'
import type { LogBounds, LogTail } from '../../jobs/types.ts'
import { hasJustEnded, lastAttempt, type Looked } from './observe.ts'
import type { CromwellOptions } from './options.ts'
import { LOG_FILE, LOG_HEX } from './wdl.ts'

/** What of a workflow's metadata its log needs. */
export const LOG_KEYS = ['start', 'end', 'status', 'labels', `outputs:${LOG_HEX}`, 'callRoot', 'executionStatus', 'stdout', 'metadataArchiveStatus'] as const

/**
 * The end of a job's output: the output that came back, else the file where this process sees it, else nothing, since Cromwell keeps none of
 * a job that was aborted or lost. Throws where it may yet come, and for pman's own, which have files alone.
 */
export async function readLog(looked: Looked, { executions, logBytes }: Pick<CromwellOptions, 'executions' | 'logBytes'>, bounds: LogBounds): Promise<LogTail> {
  const { workflow, pman } = looked
  const output = logOutput(workflow, logBytes, bounds)
  if (output !== undefined) return output
  const { callRoot, stdout } = lastAttempt(workflow) ?? {}
  const file = executions === undefined || callRoot === undefined ? undefined : await logFile(executions, callRoot, pman ? 'stdout' : LOG_FILE, bounds)
  if (file !== undefined) return file
  if (pman) throw new Error(`pman's own workflows bring no log back${stdout === undefined ? '' : `; Cromwell has it in ${stdout}`}`)
  const mayCome = workflow.status === 'Succeeded' || (executions !== undefined && callRoot === undefined && hasJustEnded(looked))
  if (mayCome) throw new Error('Cromwell does not have all of the outcome yet')
  return { bytes: new Uint8Array(), truncated: callRoot !== undefined }
}

/** The log that came back as an output: `h` and the hexadecimal digits. undefined: it is not there, or is none. */
export function logOutput({ outputs = {} }: Workflow, logBytes: number, bounds: LogBounds): LogTail | undefined {
  const text = outputs[LOG_HEX]
  if (typeof text !== 'string' || !/^h(?:[0-9a-f]{2})*$/.test(text)) return undefined
  const bytes = Buffer.from(text.slice(1), 'hex')
  return tailOf({ bytes: bytes.subarray(Math.max(0, bytes.length - logBytes)), truncated: bytes.length > logBytes }, bounds)
}

/** Is this the one line that `env` writes when it cannot start a program (POSIX, "env", EXIT STATUS)? */
export const isOfEnv = ({ bytes, truncated }: LogTail): boolean => !truncated && /^env: [^\n]*\n?$/.test(Buffer.from(bytes).toString())

/**
 * The end of a file in a call's `execution` directory, where this process sees it; undefined: it is not there. The job owns the directory
 * and may put a link in the file's place, so that nothing but a file below `executions` is opened.
 */
async function logFile(
  executions: string,
  callRoot: string,
  name: string,
  { tailLines, maxBytes }: LogBounds,
): Promise<LogTail | undefined> {
  const path = join(callRoot, 'execution', name)
  try {
    const [base, directory] = await Promise.all([realpath(executions), realpath(dirname(path))])
    if (!directory.startsWith(base + sep)) return undefined
    const file = await open(join(directory, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const status = await file.stat()
      if (!status.isFile()) return undefined
      const start = Math.max(0, status.size - maxBytes)
      const { buffer, bytesRead } = await file.read(Buffer.alloc(status.size - start), 0, status.size - start, start)
      return tailOf({ bytes: buffer.subarray(0, bytesRead), truncated: start > 0 }, { tailLines, maxBytes })
    } finally {
      await file.close()
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error))) return undefined
    throw error
  }
}

const codeOf = (error: unknown): string => String((Object(error) as { code?: unknown }).code)
