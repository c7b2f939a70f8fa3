import { randomBytes } from 'node:crypto'
import { link, open, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * What a job's folder holds. `claim` is written by whoever first says what becomes of the job, its runner or a stop, and is there for good.
 */
export const FILES = /** @type {const} */ ({
  job: 'job.json',
  claim: 'claim.json',
  started: 'started.json',
  stop: 'stop.json',
  end: 'end.json',
  log: 'log',
  work: 'work',
})

/**
 * Makes a file that is there with its whole content or not at all, and on the disk before this returns; only the first one to try
 * has made it. False: it is there already, or its folder is gone. Throws what the file system throws otherwise.
 * @param {string} path
 * @param {unknown} value
 * @returns {Promise<boolean>}
 */
export async function publish(path, value) {
  const draft = `${path}.${randomBytes(10).toString('hex')}`
  try {
    await written(draft, JSON.stringify(value))
    await link(draft, path)
    await synced(dirname(path))
    return true
  } catch (error) {
    if (['EEXIST', 'ENOENT', 'ENOTDIR'].includes(errorCode(error))) return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * The content of a JSON file; undefined if there is none. Throws if it cannot be read.
 * @param {string} path
 * @returns {Promise<unknown>}
 */
export async function readJson(path) {
  try {
    /** @type {unknown} */
    const content = JSON.parse(await readFile(path, 'utf8'))
    return content
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return undefined
    throw error
  }
}

/**
 * The system's word for what went wrong; empty if it has none.
 * @param {unknown} error
 */
export const errorCode = (error) => (typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '')

/** @param {string} path @param {string} text */
async function written(path, text) {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** @param {string} directory */
async function synced(directory) {
  const handle = await open(directory, 'r')
  await handle.sync().finally(() => handle.close())
}
