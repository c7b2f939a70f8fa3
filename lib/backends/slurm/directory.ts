import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogBounds, LogTail } from '../../jobs/types.ts'
import { tailOfFile } from '../log-file.ts'
import type { SlurmRef } from './ref.ts'

const REMOVED = '.removed'
const fileOf = ({ name, id }: Pick<SlurmRef, 'name' | 'id'>): string => `${name}.${id}`

/** Where a job of this name writes to, as SLURM is told: `%j` is its id. */
export const outputPath = (directory: string, name: string): string => join(directory, `${name}.%j.log`)

/**
 * The directory that the gateway and all nodes share: the jobs' logs, and a note for each job that was removed, since the controller lets
 * nobody change or delete a job that has ended, and tells of it until it forgets it by itself.
 */
export class SharedDirectory {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Throws unless it can be written to. */
  async tryOut(): Promise<void> {
    const probe = join(this.#path, `.probe.${process.pid}`)
    await writeFile(probe, '')
    await rm(probe, { force: true })
  }

  /** The end of a job's log; undefined: there is no file. Throws if the directory or the file cannot be read. */
  async log(ref: SlurmRef, bounds: LogBounds): Promise<LogTail | undefined> {
    await stat(this.#path)
    return tailOfFile(join(this.#path, `${fileOf(ref)}.log`), bounds)
  }

  /** Was this job, which has ended, removed? Throws if the directory cannot be read. */
  async isRemoved(ref: SlurmRef): Promise<boolean> {
    await stat(this.#path)
    const note = await stat(join(this.#path, `${fileOf(ref)}${REMOVED}`)).catch(unlessMissing)
    return note !== undefined
  }

  /** Deletes the log of a job that has ended, and notes that it is removed. */
  async remove(ref: SlurmRef): Promise<void> {
    await writeFile(join(this.#path, `${fileOf(ref)}${REMOVED}`), '')
    await rm(join(this.#path, `${fileOf(ref)}.log`), { force: true })
  }

  /** Deletes the notes, of this deployment's jobs, that the controller's own forgetting has made needless. */
  async sweep(deployment: string, known: readonly Pick<SlurmRef, 'name' | 'id'>[]): Promise<void> {
    const needed = new Set(known.map((job) => `${fileOf(job)}${REMOVED}`))
    const ours = (await readdir(this.#path)).filter((name) => name.endsWith(REMOVED) && name.includes(`.${deployment}.`))
    for (const note of ours) if (!needed.has(note)) await rm(join(this.#path, note), { force: true })
  }
}

/** By its code: an error of another realm, as in a test, is no instance of Error. */
function unlessMissing(error: unknown): undefined {
  if ((Object(error) as { code?: unknown }).code !== 'ENOENT') throw error
}
