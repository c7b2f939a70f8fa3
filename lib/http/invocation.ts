import * as z from 'zod'
import { PmanError } from '../errors.ts'
import type { JobKey } from '../jobs/types.ts'

const keySchema = z.object({ compute: z.string(), jid: z.string() })

/** The job that an invocation of `dispatch` names. Throws `invalid`. */
export function keyOf(event: unknown): JobKey {
  const parsed = keySchema.safeParse(event)
  if (!parsed.success) throw new PmanError('invalid', 'an invocation of dispatch needs compute and jid')
  return parsed.data
}
