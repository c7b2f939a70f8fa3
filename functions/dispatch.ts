import { app } from '../lib/app.ts'
import { keyOf } from '../lib/http/invocation.ts'

/** Invoked asynchronously with a job's key alone: hands the job to its engine. What is left undone, cleanup asks for again. */
export async function handler(event: unknown): Promise<void> {
  const { dispatch } = await app()
  await dispatch(keyOf(event))
}
