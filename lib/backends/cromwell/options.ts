import { isAbsolute } from 'node:path'
import * as z from 'zod'
import { PmanError } from '../../errors.ts'
import type { BackendContext } from '../contract.ts'
import { isPlainPath } from './paths.ts'

const word = z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, 'must hold only A-Z a-z 0-9 . _ -, at most 100')

const optionsSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, message: 'must be an http or https URL' })
    .refine((text) => new URL(text).username === '' && new URL(text).password === '', 'must hold no user and password: these belong in the secret')
    .transform((text) => text.replace(/\/+$/, '')),
  /** The SLURM partition of every job, where the site has more than one. */
  partition: word.optional(),
  /** From 78 on Cromwell starts workflows of one hog group at a time; all of ours are in one. */
  hogGroup: word.default('pman'),
  /** Bytes of a log's end that come back from the engine. */
  logBytes: z.int('must be whole bytes').min(1).max(4 * 1024 * 1024, 'must be at most 4194304').default(65_536),
  /** What the site's configuration declares: inputdir and outputdir, or sharedir alone, as it was for pman. */
  directories: z.enum(['own', 'parent'], 'must be own or parent').default('own'),
  /** Where the gateway sees Cromwell's executions, under the same path as Cromwell does; then logs can be read while a job runs. */
  executions: z.string().refine(isAbsolute, 'must be an absolute path').optional(),
  /** Milliseconds by which another workflow must be younger before its being shown proves that a missing one never will be. */
  summaryGrace: z.int('must be whole milliseconds').min(0, 'must not be negative').default(60_000),
})

/** The options of a `cromwell` driver, complete. */
export interface CromwellOptions extends z.infer<typeof optionsSchema> {
  storebase: string
}

type Given = Pick<BackendContext, 'options' | 'storage'>

/** What is wrong with these settings, as `path: text`. */
export function problems({ options, storage }: Given): string[] {
  const { error } = optionsSchema.safeParse(options)
  const found = (error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `options.${key}: there is no such setting`)
      : [`options.${issue.path.join('.')}: ${issue.path[0] === 'url' && options.url === undefined ? 'is needed' : issue.message}`],
  )
  if (storage.type !== 'host' && storage.type !== 'nfs') found.push('storage.type: must be host or nfs, a directory that the nodes see')
  else if (storage.storebase === undefined || !isPlainPath(storage.storebase)) {
    found.push('storage.storebase: must be an absolute path of A-Z a-z 0-9 . _ / -, which is all that may go into Cromwell\'s scripts')
  }
  return found
}

/** Throws PmanError `config` with every problem. */
export function parseOptions(given: Given & Pick<BackendContext, 'host'>): CromwellOptions {
  const { data } = optionsSchema.safeParse(given.options)
  const found = problems(given)
  if (given.host === 'lambda' && data?.executions !== undefined) found.push('options.executions: AWS Lambda does not see the directory')
  const { storebase } = given.storage
  if (data === undefined || storebase === undefined || found.length > 0) throw new PmanError('config', found.join('\n'))
  return { ...data, storebase }
}

const secretSchema = z.strictObject({ authorization: z.string().min(1).optional(), ca: z.string().min(1).optional() })

/** For a proxy in front of Cromwell: the Authorization header, and the authority of its certificate, PEM. */
export type CromwellCredentials = z.infer<typeof secretSchema>

/** Reads the compute's secret. Throws PmanError `config` without telling what it holds. */
export function parseCredentials(text: string | undefined): CromwellCredentials {
  if (text === undefined) return {}
  try {
    return secretSchema.parse(JSON.parse(text))
  } catch {
    throw new PmanError('config', 'the secret of this compute must be JSON: {"authorization": "Basic …", "ca": "PEM"}, each of them optional')
  }
}
