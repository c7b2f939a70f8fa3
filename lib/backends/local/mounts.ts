import { access, constants } from 'node:fs/promises'
import { resolveInside } from '../../jobs/paths.ts'
import type { Mount } from '../../jobs/types.ts'
import { EngineRejected } from '../contract.ts'
import { errorCode } from './files.mjs'
import type { Place } from './localise.ts'

/**
 * The directories of a job, wherever symbolic links lead. Throws EngineRejected, with every field that is wrong, if one is not there, not a
 * directory, outside of the storebase or, where the job is to write, not writable; PmanError `engine_unavailable` if the storebase itself
 * cannot be read.
 */
export async function resolveMounts(storebase: string, mounts: readonly Mount[]): Promise<Place[]> {
  const found = await Promise.all(mounts.map(async (mount) => ({ mount, resolved: await resolved(storebase, mount) })))
  const wrong = found.flatMap(({ mount: { field, source }, resolved }) =>
    'problem' in resolved ? [[field, `'${source}' ${resolved.problem}`] as const] : [],
  )
  if (wrong.length > 0) {
    const text = wrong.map(([field, problem]) => `${field}: ${problem}`).join('; ')
    throw new EngineRejected(text, { fields: Object.fromEntries(wrong) })
  }
  return found.flatMap(({ mount, resolved }) => ('path' in resolved ? [{ target: mount.target, path: resolved.path }] : []))
}

async function resolved(storebase: string, { source, readOnly }: Mount): Promise<{ path: string } | { problem: string }> {
  const place = await resolveInside(storebase, source)
  if ('problem' in place) return place
  const wanted = constants.X_OK | (readOnly ? constants.R_OK : constants.W_OK)
  try {
    await access(place.path, wanted)
    return place
  } catch (error) {
    const told = DENIED[errorCode(error)]
    if (told === undefined) throw error
    return { problem: readOnly ? told.read : told.write }
  }
}

const DENIED: Readonly<Record<string, { read: string; write: string }>> = {
  EACCES: { read: 'cannot be read by this service', write: 'cannot be written to by this service' },
  EROFS: { read: 'cannot be read by this service', write: 'is on a file system that is read-only' },
}
