import * as z from 'zod'
import { VERSIONS } from '../../engines/slurm-rest.ts'
import type { Version } from '../../engines/slurm-rest.ts'
import { PmanError } from '../../errors.ts'
import type { BackendContext } from '../contract.ts'
import { parseTemplate } from './template.ts'
import type { LaunchTemplate } from './template.ts'

/** SLURM replaces `%j` and the like in the path of an output, and takes `\` for a quote. */
const directory = z
  .string('must be an absolute path')
  .regex(/^\/[^%\\\p{Cc}]*$/u, 'must be an absolute path without % and \\')
  .refine((path) => !path.split('/').includes('..'), 'must not contain ".."')
const word = z.string('must be text').regex(/^[\x21-\x7e]{1,256}$/, 'must be one word of plain characters')
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
const noNul = (text: string): boolean => !text.includes('\0')

const optionsSchema = z.strictObject({
  /** Of slurmrestd. */
  url: z.url({ protocol: /^https?$/, error: 'must be http://host:port or https://host:port' }),
  /** PEM text of the authority that slurmrestd's certificate comes from, if it is none that Node.js knows. */
  ca: z.string().optional(),
  /** Spoken without asking, such as 38. */
  apiVersion: z.literal([...VERSIONS], `must be one of ${VERSIONS.join(', ')}`).optional(),
  /** How a command is run in an image: `template.ts`. */
  launch: z.string('must be a launch template, such as apptainer exec docker://{image} {command}'),
  /** Shell that runs on the node before it, such as `module load apptainer`. */
  prologue: z.string().refine(noNul, 'must be text').default(''),
  /** On a file system that the gateway and all nodes share: logs go there. Without it, into the job's comment. */
  directory: directory.optional(),
  /** Where a job begins on its node, and `{workdir}`. */
  workdir: directory.default('/tmp'),
  /** What the script's environment is; the job's own is the launch template's to clear. */
  environment: z.record(variable, z.string().refine(noNul), 'must be names with their values').default({}),
  /** The gateway sees the storebase too, and refuses a directory that is not there. */
  seesStorebase: z.boolean('must be true or false').default(false),
  /** Nodes check, before a job begins, that its directories lie in the storebase. */
  checkDirectories: z.boolean('must be true or false').default(true),
  partition: word.optional(),
  account: word.optional(),
  qos: word.optional(),
  /** What a GPU is called: `gpu`, `gpu:a100`. */
  gres: z.string().regex(/^[A-Za-z0-9_]+(:[A-Za-z0-9_.-]+)?$/, 'must be a name, such as gpu or gpu:a100').default('gpu'),
})

/** The options of a `slurm` driver, complete. */
export interface SlurmOptions extends Omit<z.infer<typeof optionsSchema>, 'launch'> {
  apiVersion?: Version | undefined
  template: LaunchTemplate
  storebase: string
}

type Given = Pick<BackendContext, 'options' | 'storage'>

/** What is wrong with these settings, as `path: text`. */
export function problems(given: Given): string[] {
  const { data, error } = optionsSchema.safeParse(given.options)
  const found = (error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `options.${key}: there is no such setting`)
      : [`options.${issue.path.join('.')}: ${issue.message}`],
  )
  const launch = data?.launch ?? (typeof given.options.launch === 'string' ? given.options.launch : undefined)
  const template = launch === undefined ? undefined : parseTemplate(launch)
  if (template !== undefined && 'problem' in template) found.push(`options.launch: ${template.problem}`)
  const { type, storebase } = given.storage
  if (type !== 'host' && type !== 'nfs') found.push('storage.type: must be host or nfs: a directory that all nodes have at the same path')
  else if (storebase === undefined) found.push('storage.storebase: is missing')
  return found
}

/** Throws PmanError `config` with every problem. */
export function parseOptions(given: Given): SlurmOptions {
  const found = problems(given)
  const { data } = optionsSchema.safeParse(given.options)
  const template = data === undefined ? undefined : parseTemplate(data.launch)
  const { storebase } = given.storage
  if (data === undefined || template === undefined || 'problem' in template || storebase === undefined || found.length > 0) {
    throw new PmanError('config', found.join('\n'))
  }
  const { launch: _, ...rest } = data
  return { ...rest, environment: { PATH: '/usr/local/bin:/usr/bin:/bin', ...data.environment }, template, storebase }
}
