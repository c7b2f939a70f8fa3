import type * as z from 'zod'

import { PmanError } from '../errors.ts'
import type { Path } from './environment.ts'

type ErrorMap = NonNullable<NonNullable<Parameters<z.ZodType['safeParse']>[1]>['error']>

/** What zod finds by itself, in plain words; the settings' own checks bring their own. */
export const plainly: ErrorMap = (issue) => {
  if (issue.code !== 'invalid_type') return undefined
  return issue.input === undefined ? 'is missing' : 'must be a mapping'
}

/** One line for each problem, in the words of the source. */
export function problemsOf(error: z.ZodError | undefined, base: Path, says: (path: Path) => string): string[] {
  return (error?.issues ?? []).flatMap((issue) => {
    const path = [...base, ...issue.path]
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${says([...path, key])}: there is no such setting`)
    return [`${says(path) || 'the configuration'}: ${issue.message}`]
  })
}

/** All problems in one error, a line each. */
export function configError(problems: readonly string[]): PmanError {
  const lines = problems.map((problem) => problem.replaceAll(/\s+/g, ' ').trim())
  return new PmanError('config', [...new Set(lines)].join('\n'))
}
