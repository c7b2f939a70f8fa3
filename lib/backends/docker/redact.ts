/** Where a directory of the engine's host is in a job. */
export interface Mounted {
  /** On the host. */
  source: string
  /** In the job. */
  target: string
}

/** An engine's words for a caller, who knows a directory by where the job has it and not by where the operator keeps it. */
export function withoutSources(words: string, mounted: readonly Mounted[]): string {
  const absolute = mounted.filter(({ source }) => /^\/./.test(source))
  // One directory may lie within another.
  const longestFirst = absolute.sort((a, b) => b.source.length - a.source.length)
  return longestFirst.reduce((text, { source, target }) => text.replaceAll(source, `what is mounted at ${target}`), words)
}
