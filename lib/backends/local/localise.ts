/** Where the job sees a directory, and where it is. */
export interface Place {
  target: string
  path: string
}

/** What may stand on either side of a path in a word of a command line or in a value: nothing that could be a part of its name. */
const EDGE = String.raw`[\s=:,;"'\`()\[\]{}<>|&!@]`

/**
 * A function that puts the real directory in place of each target, such as `/share/incoming`: only where the target is a whole path or the
 * beginning of one. A longer target goes first, what was put in is not looked at again, and everything else stays as it is, byte for byte.
 */
export function localiser(places: readonly Place[]): (text: string) => string {
  const real = new Map(places.map(({ target, path }) => [target.replace(/\/+$/, ''), path]))
  real.delete('')
  if (real.size === 0) return (text) => text
  const targets = [...real.keys()].sort((a, b) => b.length - a.length).map(literally)
  const pattern = new RegExp(`(?<=^|${EDGE})(?:${targets.join('|')})(?=$|/|${EDGE})`, 'g')
  return (text) => text.replace(pattern, (target) => real.get(target) ?? target)
}

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
