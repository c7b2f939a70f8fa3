import { randomBytes } from 'node:crypto'
import { access, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { EngineRef } from '../contract.ts'
import { errorCode, FILES, publish, readJson } from './files.mjs'

const time = z.int()
const identity = z.strictObject({ pid: z.int().min(2), start: z.string() })

const jobFile = z.strictObject({
  engineName: z.string(),
  owner: z.strictObject({ deployment: z.string(), compute: z.string(), jid: z.string(), generation: z.int(), specHash: z.string() }),
  /** As they are to run: real directories in place of the job's own. */
  argv: z.array(z.string()),
  env: z.array(z.string()),
  /** Seconds; 0: none. */
  timeLimit: z.number(),
  /** Milliseconds. */
  killGrace: z.number(),
})
const claimFile = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('runner'), runner: identity, at: time }),
  z.strictObject({ by: z.literal('stop'), at: time }),
])
const startedFile = z.strictObject({ process: identity, startedAt: time })
const stopFile = z.strictObject({ at: time })
const endFile = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('exited'),
    exitCode: z.int().nullable(),
    signal: z.string().nullable(),
    timedOut: z.boolean(),
    startedAt: time,
    finishedAt: time,
  }),
  z.strictObject({ kind: z.literal('failed'), code: z.string(), message: z.string(), finishedAt: time }),
  z.strictObject({ kind: z.literal('withdrawn'), finishedAt: time }),
])

const SCHEMAS = { job: jobFile, claim: claimFile, started: startedFile, stop: stopFile, end: endFile } as const

export type JobFile = z.infer<typeof jobFile>
export type EndFile = z.infer<typeof endFile>

type Content = { [name in keyof typeof SCHEMAS]: z.infer<(typeof SCHEMAS)[name]> }

/** Half made, and moved away to be deleted. */
const MAKING = '.making'
const REMOVED = '.removed'
/** A create that has lasted longer than this will fail at its last step; nothing else comes of it. */
const MAKING_LASTS = 3_600_000

const REF = /^([a-z0-9]([a-z0-9-]*[a-z0-9])?)\.[0-9a-f]{20}$/

/** A job's own folder, which only its ref names. */
export class Folder {
  readonly path: string
  readonly #deployment: string

  constructor(path: string, deployment: string) {
    this.path = path
    this.#deployment = deployment
  }

  file(name: keyof typeof FILES): string {
    return join(this.path, FILES[name])
  }

  /** The content of one of its files; undefined if the file or the folder is not there. Throws if it cannot be read. */
  async read<Name extends keyof Content>(name: Name): Promise<Content[Name] | undefined> {
    const content = await readJson(this.file(name))
    return content === undefined ? undefined : (SCHEMAS[name].parse(content) as Content[Name])
  }

  /** Makes one of its files; false if it is there already, or the folder is not. */
  publish<Name extends keyof Content>(name: Name, content: Content[Name]): Promise<boolean> {
    return publish(this.file(name), content)
  }

  /** The job, if the folder is there and this deployment's. Throws if that cannot be told. */
  async job(): Promise<JobFile | undefined> {
    const job = await this.read('job')
    return job?.owner.deployment === this.#deployment ? job : undefined
  }
}

/** A job that is known to be this deployment's. */
export interface Owned {
  ref: EngineRef
  folder: Folder
  job: JobFile
}

/** The directory of all jobs. */
export class Folders {
  readonly #directory: string
  readonly #deployment: string

  constructor(directory: string, deployment: string) {
    this.#directory = directory
    this.#deployment = deployment
  }

  /** The folder that a ref names; undefined for a ref that this driver never gave. */
  at(ref: EngineRef): Folder | undefined {
    return REF.test(ref) ? new Folder(join(this.#directory, ref), this.#deployment) : undefined
  }

  /** Makes a folder that was never there: complete, then in its place. */
  async make(job: JobFile): Promise<EngineRef> {
    const ref = `${job.engineName}.${randomBytes(10).toString('hex')}`
    if (!REF.test(ref)) throw new Error(`'${job.engineName}' cannot be the name of a folder`)
    const draft = join(this.#directory, MAKING, ref)
    await mkdir(join(draft, FILES.work), { recursive: true, mode: 0o700 })
    await writeFile(join(draft, FILES.job), JSON.stringify(job), { mode: 0o600, flush: true })
    await rename(draft, join(this.#directory, ref))
    return ref
  }

  /** From here on no path leads to the folder; it is to be deleted. */
  async moveAway(ref: EngineRef): Promise<void> {
    await mkdir(join(this.#directory, REMOVED), { recursive: true, mode: 0o700 })
    await rename(join(this.#directory, ref), join(this.#directory, REMOVED, ref)).catch(unless('ENOENT'))
  }

  /** Deletes what was moved away, now or by an earlier call that did not come that far. */
  async deleteMoved(ref: EngineRef): Promise<void> {
    if (REF.test(ref)) await rm(join(this.#directory, REMOVED, ref), { recursive: true, force: true })
  }

  /** The refs of all folders, or of those with this engine name. A directory that was never made has none. */
  async refs(engineName?: string): Promise<EngineRef[]> {
    const names = (await readdir(this.#directory).catch(unless('ENOENT'))) ?? []
    return names.filter((name) => engineName === undefined ? REF.test(name) : REF.exec(name)?.[1] === engineName).sort()
  }

  /** Throws if the directory cannot be read: then a folder that was not found may yet be there. */
  async reachable(): Promise<void> {
    await access(this.#directory)
  }

  /** Throws unless files can be made, linked and deleted in the directory. */
  async tryOut(): Promise<void> {
    const probe = join(this.#directory, MAKING, `probe.${randomBytes(10).toString('hex')}`)
    await mkdir(join(this.#directory, MAKING), { recursive: true, mode: 0o700 })
    await publish(probe, {})
    await rm(probe)
  }

  /** Deletes what calls that never came to their end have left. */
  async sweep(now: number): Promise<void> {
    await rm(join(this.#directory, REMOVED), { recursive: true, force: true })
    const drafts = (await readdir(join(this.#directory, MAKING)).catch(unless('ENOENT'))) ?? []
    for (const draft of drafts.map((name) => join(this.#directory, MAKING, name))) {
      const made = await stat(draft).catch(unless('ENOENT'))
      if (made !== undefined && now - made.mtimeMs > MAKING_LASTS) await rm(draft, { recursive: true, force: true })
    }
  }
}

const unless =
  (code: string) =>
  (error: unknown): undefined => {
    if (errorCode(error) !== code) throw error
  }
