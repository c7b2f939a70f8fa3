/** Where a job sees its data, since the first pman. */
export const SHARE = '/share'
export const INCOMING = '/share/incoming'
export const OUTGOING = '/share/outgoing'

export const PLUGIN_TYPES = ['ds', 'fs', 'ts'] as const
/** ds reads data and writes data; fs and ts only write, as far as their command lines tell. */
export type PluginType = (typeof PLUGIN_TYPES)[number]

/** What becomes of a path flag that is the last argument: pman v3 left it alone, from v4 on it gains a value. */
export type TrailingFlag = 'left alone' | 'gains a value'

/** The argument after each path flag becomes the job's input directory; `--flag=value` is one argument and stays (pman v3.5.4, v6.3.1). */
export function localise(args: readonly string[], pathFlags: readonly string[], trailing: TrailingFlag): string[] {
  const flags = new Set(pathFlags)
  const localised: string[] = []
  let isPath = false
  for (const arg of args) {
    localised.push(isPath ? INCOMING : arg)
    // A value is never a flag, whatever it looks like.
    isPath = !isPath && flags.has(arg)
  }
  return isPath && trailing === 'gains a value' ? [...localised, INCOMING] : localised
}

/** The positional arguments that end every plugin's command line. */
export const directoriesOf = (type: PluginType): string[] => (type === 'ds' ? [INCOMING, OUTGOING] : [OUTGOING])

/** `selfpath` and `selfexec` as pman v3 joined them: Python's `os.path.join`. */
export function programPath(selfpath: string, selfexec: string): string {
  if (selfexec.startsWith('/') || selfpath === '') return selfexec
  return selfpath.endsWith('/') ? `${selfpath}${selfexec}` : `${selfpath}/${selfexec}`
}
