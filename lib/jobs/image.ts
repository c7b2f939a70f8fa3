/**
 * The grammar of an OCI image reference, as github.com/distribution/reference defines it: `[host[:port]/]path[:tag][@digest]`.
 * A first component is a host if it has a dot, a port or brackets; `localhost` reads the same either way.
 */
const HOST_LABEL = '(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])'
const HOST = `(?=[^/]*[.:])(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[A-Fa-f0-9:]+\\])(?::[0-9]+)?`
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const NAME = `(?:${HOST}/)?${COMPONENT}(?:/${COMPONENT})*`
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'
const DIGEST = 'sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}'
const REFERENCE = new RegExp(`^(?<name>${NAME})(?::${TAG})?(?:@(?:${DIGEST}))?$`)

const MAX_NAME = 255
/** A name, a tag and the longest digest, with their separators. */
const MAX_REFERENCE = MAX_NAME + 1 + 128 + 1 + 'sha512:'.length + 128
/** An engine would take it for the id of an image that it has, whatever it holds. */
const IMAGE_ID = /^[a-f0-9]{64}$/

/** What is wrong with an image reference, and what would be right; undefined: nothing. */
export function imageProblem(image: string): string | undefined {
  if (image === '') return 'must not be empty'
  if (image.length > MAX_REFERENCE) return `must have at most ${MAX_REFERENCE} characters`
  const name = REFERENCE.exec(image)?.groups?.name
  if (name === undefined) return unreadable(image)
  if (IMAGE_ID.test(name)) return 'must be the name of an image, not an image id'
  return name.length > MAX_NAME ? `its name must have at most ${MAX_NAME} characters` : undefined
}

const unreadable = (image: string): string =>
  REFERENCE.test(image.toLowerCase())
    ? 'is not a valid image reference: its path and digest must be lower case'
    : 'is not a valid image reference: give [host[:port]/]path[:tag][@sha256:digest], as in "docker.io/fnndsc/pl-dircopy:2.1.2"'

/**
 * Does one of the patterns match the whole reference, as it is written? `*` stands for any characters but `/`, `**` for any at all.
 * No patterns match nothing: whoever has no allow-list does not ask.
 */
export const imageAllowed = (image: string, patterns: readonly string[]): boolean =>
  patterns.some((pattern) => wildcard(pattern).test(image))

function wildcard(pattern: string): RegExp {
  const parts = pattern.split(/(\*+)/).map((part, index) => (index % 2 === 0 ? literal(part) : part === '*' ? '[^/]*' : '[^]*'))
  return new RegExp(`^${parts.join('')}$`)
}

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
