import { imageProblem } from '../../jobs/image.ts'
import { jidProblem, normaliseJid } from '../../jobs/jid.ts'
import { normalisePath, relativePathProblem } from '../../jobs/paths.ts'
import type { JobSpec } from '../../jobs/types.ts'
import { directoriesOf, INCOMING, localise, OUTGOING, PLUGIN_TYPES, programPath, SHARE, type PluginType } from './command.ts'
import type { Readers } from './readers.ts'
import { bytesOf, choice, commandLine, id, integer, list, MAX_WORDS, optional, refused, text, wordsProblem } from './readers.ts'
import { split } from './shlex.ts'

/** Field -> what is wrong with it. */
export type Problems = Record<string, string>

/** One shape of request: its fields, what may be wrong between them, and the part of a job that only this shape says in this way. */
export interface Shape<T> {
  fields: Readers<T>
  /** Of the fields that are right by themselves. */
  clashes: (values: Partial<T>) => Problems
  command: (values: T) => Pick<JobSpec, 'entrypoint' | 'args' | 'env' | 'mounts'>
}

/** What every pman asks for. Thousandths of a CPU, MiB; 0: none asked for. */
export interface Common {
  jid: string
  auid: string
  number_of_workers: number
  cpu_limit: number
  memory_limit: number
  gpu_limit: number
  image: string
  type: PluginType
}

/** In bytes: it is kept in every record and told in every line of log. */
const MAX_AUID = 1024
const auidProblem = (auid: string): string | undefined =>
  Buffer.byteLength(auid) > MAX_AUID ? `must have at most ${MAX_AUID} bytes` : undefined

const COMMON: Readers<Common> = {
  jid: id(jidProblem, normaliseJid),
  auid: id(auidProblem),
  number_of_workers: integer(1),
  cpu_limit: integer(0),
  memory_limit: integer(0),
  gpu_limit: integer(0),
  image: text(imageProblem),
  type: choice(PLUGIN_TYPES),
}

/** pman v3: command lines. */
interface V3 extends Common {
  execshell: string[]
  selfpath: string
  selfexec: string
  cmd_args: string[]
  cmd_path_flags: string
}

const splitProblem = (line: string): string | undefined => {
  const words = split(line)
  return 'problem' in words ? words.problem : undefined
}

/** The words of a line that `splitProblem` has nothing against. */
const wordsOf = (line: string): string[] => {
  const words = split(line)
  return 'problem' in words ? [] : words.value
}

const programOf = ({ execshell = [], selfpath = '', selfexec = '' }: Partial<V3>): string[] => [
  ...execshell,
  ...wordsOf(programPath(selfpath, selfexec)),
]

const v3: Shape<V3> = {
  fields: {
    ...COMMON,
    execshell: commandLine,
    selfpath: text(splitProblem),
    selfexec: text(splitProblem),
    cmd_args: commandLine,
    cmd_path_flags: optional(text(), ''),
  },
  clashes: (values) => {
    const { execshell, selfpath, selfexec, cmd_args } = values
    if (execshell === undefined || selfpath === undefined || selfexec === undefined) return {}
    const program = programOf(values)
    const tooLong = wordsProblem(program)
    if (tooLong !== undefined) return { selfexec: `the program that execshell, selfpath and selfexec name ${tooLong}` }
    const [first] = [...program, ...(cmd_args ?? ['-'])]
    return first === undefined || first === '' ? { selfexec: 'no program is named: give execshell, selfpath or selfexec' } : {}
  },
  command: (values) => {
    const { jid, type, cmd_args, cmd_path_flags } = values
    const flags = cmd_path_flags === '' ? [] : cmd_path_flags.split(',')
    return {
      entrypoint: programOf(values),
      args: [...localise(cmd_args, flags, 'left alone'), ...directoriesOf(type)],
      env: [],
      mounts: keyMount(jid),
    }
  },
}

/** pman v4 and v5: lists of words. */
interface V4 extends Common {
  args: string[]
  args_path_flags: string[]
  entrypoint: string[]
  env: string[]
  cmd_args: undefined
}

const entrypointProblem = (words: readonly string[]): string | undefined => {
  if (words.length === 0) return '"entrypoint" cannot be empty'
  return words[0] === '' ? 'its first element, the program, cannot be empty' : undefined
}

const envProblem = (entry: string): string | undefined => (entry.indexOf('=') > 0 ? undefined : 'must be "key=value", its key not empty')

const v4: Shape<V4> = {
  fields: {
    ...COMMON,
    args: list(),
    args_path_flags: optional(list(), []),
    entrypoint: list(undefined, entrypointProblem),
    env: optional(list(envProblem), []),
    cmd_args: refused('is of another shape of request: give args or cmd_args, not both'),
  },
  clashes: ({ args = [], env = [] }) => {
    const bytes = bytesOf(args) + bytesOf(env)
    return bytes > MAX_WORDS ? { args: `args and env together hold ${bytes} bytes: at most ${MAX_WORDS}` } : {}
  },
  command: ({ jid, type, args, args_path_flags, entrypoint, env }) => ({
    entrypoint,
    args: [...localise(args, args_path_flags, 'gains a value'), ...directoriesOf(type)],
    env,
    mounts: keyMount(jid),
  }),
}

/** pman v6: v4 with directories of the caller's choice. */
interface V6 extends V4 {
  input_dir: string
  output_dir: string
}

const directory = text(relativePathProblem, normalisePath)

const v6: Shape<V6> = {
  fields: { ...v4.fields, input_dir: directory, output_dir: directory },
  clashes: v4.clashes,
  command: (values) => ({
    ...v4.command(values),
    mounts: [
      { field: 'input_dir', source: values.input_dir, target: INCOMING, readOnly: true },
      { field: 'output_dir', source: values.output_dir, target: OUTGOING, readOnly: false },
    ],
  }),
}

const keyMount = (jid: string): JobSpec['mounts'] => [{ field: 'jid', source: `key-${jid}`, target: SHARE, readOnly: false }]

export const SHAPES = { v3, v4, v6 }
export type ShapeName = keyof typeof SHAPES

/**
 * The first row of which a request has a field, whatever its value, is its shape;
 * with none of them, what it lacks is told in the newest one's words.
 */
const MARKS: readonly (readonly [ShapeName, readonly string[]])[] = [
  ['v6', ['input_dir', 'output_dir']],
  ['v4', ['args', 'entrypoint']],
  ['v3', ['cmd_args', 'selfexec', 'selfpath', 'execshell']],
]

/** Which shape of request a body has. */
export function shapeOf(body: object): ShapeName {
  const mark = MARKS.find(([, fields]) => fields.some((field) => Object.hasOwn(body, field)))
  return mark?.[0] ?? 'v6'
}
