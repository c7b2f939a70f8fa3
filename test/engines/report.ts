import * as z from 'zod'

/** What jest tells of a run, as far as it is needed: `--json`. */
const jestReport = z.object({
  success: z.boolean(),
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numRuntimeErrorTestSuites: z.number(),
})

/** The sums of one engine's tests. */
export interface Sums {
  passed: number
  failed: number
  skipped: number
  /** Test files that could not even be loaded. */
  broken: number
}

/** Throws if the text is not a report. */
export function sumsOf(text: string): Sums {
  const report = jestReport.parse(JSON.parse(text))
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped, numRuntimeErrorTestSuites: broken } = report
  return { passed, failed, skipped, broken }
}

/** A run in which nothing was tested proves nothing. */
export const isGood = ({ passed, failed, broken }: Sums): boolean => passed > 0 && failed === 0 && broken === 0

/** One line for a person. */
export function told({ passed, failed, skipped, broken }: Sums): string {
  const parts = [`${passed} passed`, `${failed} failed`, `${skipped} skipped`]
  return [...parts, ...(broken > 0 ? [`${broken} files could not be run`] : [])].join(', ')
}
