import { launchLine, PLACEHOLDERS, quoted, variableOf } from './template.ts'
import type { LaunchTemplate, Placeholder } from './template.ts'

/** What a job's script is made of. Texts that a caller has chosen are only ever quoted words in it. */
export interface ScriptInput {
  engineName: string
  template: LaunchTemplate
  /** The site's own shell, which runs first on the node. */
  prologue: string
  values: Readonly<Record<Placeholder, string>>
  /** The directory, on the node, that {input} and {output} must lie in; undefined: they are not checked. */
  storebase: string | undefined
  /** The job's words. */
  argv: readonly string[]
  /** `KEY=value`. */
  env: readonly string[]
  workers: number
  /** Where there is no shared file system: what the job's comment begins with, and how many bytes the comment may have. */
  comment: { label: string; room: number } | undefined
}

/** What the script ends with if a directory is not there, or leads out of the storebase: EX_CONFIG of sysexits(3). */
export const NO_DIRECTORY = 78

/**
 * The batch script of a job, for a POSIX shell. The words are its positional parameters, and the launch line, which is the site's alone,
 * names them; so nothing of a caller's is ever read as shell, however often a shell or `srun` stands between.
 */
export function batchScript(input: ScriptInput): string {
  const { engineName, prologue, values, template, comment } = input
  const taken = PLACEHOLDERS.map((name, index) => `${variableOf(name)}=$${index + 1}`)
  const launch = [...taken, `shift ${PLACEHOLDERS.length}`, `exec ${launchLine(template)}`].join('\n')
  return [
    '#!/bin/sh',
    `# ${engineName}`,
    'exec 2>&1',
    ...(prologue === '' ? [] : [prologue]),
    `set -- ${PLACEHOLDERS.map((name) => quoted(values[name])).join(' ')} ${commandWords(input).map(quoted).join(' ')}`,
    ...(input.storebase === undefined ? [] : directoryCheck(input.storebase, template)),
    `pman_launch=${quoted(launch)}`,
    ...(comment === undefined ? [`exec ${runner(input)}`] : reported(runner(input), comment)),
    '',
  ].join('\n')
}

/** Several copies are `srun`'s tasks, unless the template sees to that itself. */
function runner({ workers, template }: ScriptInput): string {
  const shell = 'sh -c "$pman_launch" sh "$@"'
  return workers > 1 && !template.names.has('workers') ? `srun --ntasks=${workers} --kill-on-bad-exit=0 ${shell}` : shell
}

/**
 * The environment comes by env(1), since each container runtime has its own way, few of them for every byte. A program with a `=` in its
 * name would look like a variable to it.
 */
function commandWords({ argv, env }: ScriptInput): string[] {
  if (env.length === 0) return [...argv]
  const program = argv[0]?.includes('=') === true ? ['sh', '-c', 'exec "$@"', 'sh', ...argv] : argv
  return ['env', '--', ...env, ...program]
}

/** Symbolic links are followed where the job would follow them, and what they lead to is what is mounted. */
function directoryCheck(storebase: string, { names }: LaunchTemplate): string[] {
  const checked = (['input', 'output'] as const).filter((name) => names.has(name))
  if (checked.length === 0) return []
  return [
    `pman_base=$(readlink -f -- ${quoted(storebase)}) || exit ${NO_DIRECTORY}`,
    'pman_below() {',
    `  pman_real=$(readlink -f -- "$2") && [ -d "$pman_real" ] && case $pman_real in "$pman_base"/*) return 0 ;; esac`,
    `  echo "pman: the $1 directory is not there on this node, or leads out of the storebase" >&2`,
    `  exit ${NO_DIRECTORY}`,
    '}',
    ...PLACEHOLDERS.flatMap((name, index) => {
      const value = `${variableOf(name)}=$${index + 1}`
      return checked.some((one) => one === name) ? [`pman_below ${name} "$${index + 1}"`, `${variableOf(name)}=$pman_real`] : [value]
    }),
    `shift ${PLACEHOLDERS.length}`,
    `set -- ${PLACEHOLDERS.map((name) => `"$${variableOf(name)}"`).join(' ')} "$@"`,
  ]
}

/**
 * Runs the job with its output in a file of the node, whose end is put into the job's comment from time to time: after the end nobody may
 * change that any more, so the last time is before the script's own.
 */
function reported(run: string, { label, room }: { label: string; room: number }): string[] {
  return [
    'pman_log=$(mktemp "${TMPDIR:-/tmp}/pman.XXXXXX") || exit 1',
    'pman_tell() {',
    '  pman_size=$(($(wc -c <"$pman_log")))',
    '  for pman_part in 65536 16384 8192 4096 2048 1024 768 512 384 256; do',
    '    pman_text=$(tail -c "$pman_part" "$pman_log" | gzip -9 -n | base64 | tr -d "\\n")',
    `    pman_comment=${quoted(label)}.$pman_size.$pman_text`,
    `    [ "\${#pman_comment}" -le ${room} ] && break`,
    '  done',
    '  scontrol update job="$SLURM_JOB_ID" comment="$pman_comment" >/dev/null 2>&1',
    '}',
    `${run} >"$pman_log" 2>&1 </dev/null &`,
    'pman_job=$!',
    '(for pman_wait in 1 2 4 8; do sleep "$pman_wait"; pman_tell; done; while sleep 15; do pman_tell; done) &',
    'pman_teller=$!',
    'wait "$pman_job"',
    'pman_code=$?',
    'kill "$pman_teller" 2>/dev/null',
    'pman_tell',
    'rm -f "$pman_log"',
    'exit "$pman_code"',
  ]
}
