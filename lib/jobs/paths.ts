import { realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { PmanError } from '../errors.ts'

/** Linux' PATH_MAX, in bytes. */
const MAX_PATH = 4096
const CONTROL = /\p{Cc}/u
const LONE_SURROGATE = /\p{Cs}/u

/**
 * The path that a caller means, written in one way: one leading `/` is dropped, as pman did;
 * doubled and trailing slashes and `.` say nothing.
 */
export function normalisePath(raw: string): string {
  const path = raw.startsWith('/') ? raw.slice(1) : raw
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.')
  return `${path.startsWith('/') ? '/' : ''}${segments.join('/')}`
}

/** What is wrong with a path below the storebase, as `normalisePath` gave it, and what would be right; undefined: nothing. */
export function relativePathProblem(path: string): string | undefined {
  if (path.startsWith('/')) return 'must be relative to the storebase'
  if (normalisePath(path) === '') return 'must name a directory below the storebase'
  if (LONE_SURROGATE.test(path)) return 'must be well-formed Unicode'
  if (CONTROL.test(path)) return 'must not contain control characters'
  if (path.split('/').includes('..')) return 'must not contain ".."'
  return Buffer.byteLength(path) > MAX_PATH ? `must have at most ${MAX_PATH} bytes` : undefined
}

/** A directory below the storebase, free of symbolic links; or why there is none, in words for the caller. */
export type Resolved = { path: string } | { problem: string }

/**
 * The directory that a relative path names, wherever symbolic links lead, if it is below `base`. Links may change afterwards:
 * whoever uses the directory opens the path returned here, not the one that was asked for.
 * Throws PmanError `engine_unavailable` if the storebase itself cannot be read.
 */
export async function resolveInside(base: string, path: string): Promise<Resolved> {
  const problem = relativePathProblem(path)
  if (problem !== undefined) return { problem }
  const root = await realpath(base).catch(unreadable)
  try {
    const real = await realpath(join(root, path))
    if (!isBelow(root, real)) return { problem: 'leads out of the storebase by a symbolic link' }
    return (await stat(real)).isDirectory() ? { path: real } : { problem: 'is not a directory' }
  } catch (error) {
    const told = PROBLEMS.get(errorCode(error))
    return told === undefined ? unreadable(error) : { problem: told }
  }
}

/** What the file system says of a path that the caller can put right. */
const PROBLEMS: ReadonlyMap<unknown, string> = new Map([
  ['ENOENT', 'does not exist'],
  ['ENOTDIR', 'is not a directory'],
  ['ENAMETOOLONG', 'has a name that is too long for the file system'],
  ['ELOOP', 'is a loop of symbolic links'],
  ['EACCES', 'cannot be read by this service'],
])

const errorCode = (error: unknown): unknown => (typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined)

function isBelow(root: string, path: string): boolean {
  const way = relative(root, path)
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

function unreadable(cause: unknown): never {
  // The code alone: the file system's own text would tell callers where the storebase is.
  throw new PmanError('engine_unavailable', `the storebase cannot be read (${String(errorCode(cause))})`, { cause })
}
