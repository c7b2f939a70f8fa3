import * as z from 'zod'
import type { OwnerLabels } from '../contract.ts'

/**
 * SLURM has no labels; a job's comment has 1,024 bytes (2012 for more, seen on 22.05), of which they take some:
 * `pman1-<base64url of [compute, jid, generation, specHash]>`, and with the log `.<bytes of log>.<gzip + base64 of its end>`.
 */
export const COMMENT_BYTES = 1024
/** What the labels may take where the log needs room too. */
const BESIDE_A_LOG = 512

const MARK = 'pman1-'
const labelsSchema = z.tuple([z.string(), z.string(), z.int(), z.string()])

/** The beginning of a comment; without labels if they are too long. */
export function commentLabel({ compute, jid, generation, specHash }: Omit<OwnerLabels, 'deployment'>, withLog: boolean): string {
  const text = `${MARK}${Buffer.from(JSON.stringify([compute, jid, generation, specHash])).toString('base64url')}`
  return text.length <= (withLog ? BESIDE_A_LOG : COMMENT_BYTES) ? text : MARK
}

/** The labels in a comment; undefined if it has none, or none that can be read. */
export function labelsIn(comment: string, deployment: string): OwnerLabels | undefined {
  const [label = ''] = comment.split('.', 1)
  if (!label.startsWith(MARK)) return undefined
  try {
    const text = Buffer.from(label.slice(MARK.length), 'base64url').toString()
    const [compute, jid, generation, specHash] = labelsSchema.parse(JSON.parse(text))
    return { deployment, compute, jid, generation, specHash }
  } catch {
    return undefined
  }
}
