import { app } from '../lib/app.ts'
import type { CleanupReport } from '../lib/jobs/cleanup.ts'

/** Each minute: takes every job that is due a step further. What fails for one job waits for the next run. */
export async function handler(): Promise<CleanupReport> {
  const { cleanup } = await app()
  return cleanup()
}
