/** Directories of the engine's host, as far as this process sees them itself. */
import { realpath, stat } from 'node:fs/promises'
import { posix, relative } from 'node:path'
import { PmanError } from '../../errors.ts'
import { relativePathProblem, resolveInside } from '../../jobs/paths.ts'

/** A directory on the engine's host, or what is wrong with it, in words for the caller. */
export type Place = { path: string } | { problem: string }

/** On another machine, in another file system, or another user's. */
const NOT_SEEN: readonly unknown[] = ['ENOENT', 'ENOTDIR', 'EACCES']

/** Is this directory here too? Then it is taken for the same one. Throws PmanError `engine_unavailable` if it is here and does not answer. */
export async function isSeen(base: string): Promise<boolean> {
  try {
    return (await stat(base)).isDirectory()
  } catch (error) {
    if (NOT_SEEN.includes(codeOf(error))) return false
    throw new PmanError('engine_unavailable', `the storebase cannot be read (${String(codeOf(error))})`, { cause: error })
  }
}

/**
 * The directory below `base` that a mount names; where it is seen, without symbolic links, so that none can be changed on the way from here to
 * the engine. What is closed to this process is left to the engine, which may be another user.
 */
export async function locate(base: string, source: string, seen: boolean): Promise<Place> {
  const problem = relativePathProblem(source)
  if (problem !== undefined) return { problem }
  const asked = posix.join(base, source)
  if (!seen || (await isClosed(asked))) return { path: asked }
  const place = await resolveInside(base, source)
  return 'problem' in place ? place : { path: posix.join(base, relative(await realpath(base), place.path)) }
}

async function isClosed(path: string): Promise<boolean> {
  return realpath(path).then(
    () => false,
    (error: unknown) => codeOf(error) === 'EACCES',
  )
}

const codeOf = (error: unknown): unknown => (Object(error) as { code?: unknown }).code
