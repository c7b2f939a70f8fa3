import { dirname, isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { PmanError } from '../../errors.ts'
import type { BackendContext } from '../contract.ts'

const absolute = z.string('must be an absolute path').refine(isAbsolute, 'must be an absolute path')

const optionsSchema = z.strictObject({
  /** Where a folder is made for each job. */
  directory: absolute,
  /** Milliseconds between SIGTERM and SIGKILL. */
  killGrace: z.int('must be whole milliseconds').min(0, 'must not be negative').default(5000),
  /** What every job's environment begins with: PATH, and what else of the machine's own environment the jobs are to have. */
  environment: z.record(z.string(), z.string(), 'must be names with their values').default({}),
  /** The runner's file, where the functions are bundled and it does not lie next to this module. */
  runner: absolute.optional(),
})

/** The options of a `local` driver, complete. */
export interface LocalOptions {
  directory: string
  killGrace: number
  environment: Readonly<Record<string, string>>
  runner: string
  storebase: string
}

type Given = Pick<BackendContext, 'options' | 'storage'>

const ON_LAMBDA = 'type: this engine runs jobs as processes of the gateway, for development on a machine, never on AWS Lambda'

/** What is wrong with these settings, as `path: text`. */
export function problems({ options, storage }: Given): string[] {
  const { error } = optionsSchema.safeParse(options)
  const found = (error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `options.${key}: there is no such setting`)
      : [`options.${issue.path.join('.')}: ${issue.message}`],
  )
  if (storage.type !== 'host') found.push('storage.type: must be host, since the jobs run on the gateway\'s own host')
  else if (storage.storebase === undefined || !isAbsolute(storage.storebase)) found.push('storage.storebase: must be an absolute path')
  return found
}

/** Throws PmanError `config` with every problem, and on AWS Lambda. */
export function parseOptions(given: Given & Pick<BackendContext, 'host'>): LocalOptions {
  const { data } = optionsSchema.safeParse(given.options)
  const found = [...problems(given), ...(given.host === 'lambda' ? [ON_LAMBDA] : [])]
  const { storebase } = given.storage
  if (data === undefined || storebase === undefined || found.length > 0) throw new PmanError('config', found.join('\n'))
  return {
    directory: data.directory,
    killGrace: data.killGrace,
    environment: { PATH: defaultPath(), ...data.environment },
    runner: data.runner ?? fileURLToPath(new URL('runner.mjs', import.meta.url)),
    storebase,
  }
}

/** The usual directories, and that of this Node.js: a machine may have no other. */
function defaultPath(): string {
  const usual = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
  return [dirname(process.execPath), ...usual].join(':')
}
