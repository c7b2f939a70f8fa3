/** Whatever WDL, Cromwell or a shell could give a meaning to is written in octal; this is what is left. */
const PLAIN = /^[A-Za-z0-9_./:=,@+-]*$/
/** Cromwell puts its own text in place of these, wherever they stand in its script, after it has put the command there. */
const TOKENS = /SCRIPT_|DOCKER_OUTPUT_DIR_LINK|INSTANTIATED_COMMAND|ENVIRONMENT_VARIABLES/

/**
 * A line of shell that adds a word to the positional parameters, byte for byte, in ASCII. A word that could be taken for anything else goes
 * through printf's `%b` (POSIX, "printf", EXTENDED DESCRIPTION), with an `x` behind it, since `$(…)` drops newlines at the end.
 * Throws for a NUL, which no argument can hold.
 */
export function shellWord(word: string): string {
  if (word.includes('\0')) throw new Error('a word holds a NUL')
  if (PLAIN.test(word) && !TOKENS.test(word)) return `set -- "$@" '${word}'`
  return `v=$(printf '%bx' '${octal(word)}'); set -- "$@" "\${v%x}"`
}

/** Letters and digits as they are; each other byte as `\0` and three octal digits, so that a digit behind it stays a digit. */
function octal(word: string): string {
  return Array.from(Buffer.from(word), (byte) => {
    const character = String.fromCharCode(byte)
    return /[A-Za-z0-9]/.test(character) ? character : `\\0${byte.toString(8).padStart(3, '0')}`
  }).join('')
}
