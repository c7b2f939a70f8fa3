/**
 * What a log never shows: by the name that a value has, by the look of a text, and by the type Secret.
 *
 * A name is cut into words (`apiKey`, `api_key` and `X-Api-Key` are `api key`). It is a secret's if
 * - its joined words hold `secret`, `token`, `passw`, … anywhere (`accesstoken`, `tokensSecret`), or
 * - its last word is `key`, unless the word before it says that it is a place in data (`jobKey`, `specKey`).
 * So `keyboard` and `keys.count` are shown, and of a record's place `jobKey` is shown and a bare `key` is not.
 */

export const REDACTED = '<REDACTED>'

/** A value that prints as <REDACTED> wherever it goes, and gives itself only to who asks by name. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return REDACTED
  }
}

const ANYWHERE = /secret|token|passw|passphrase|authorization|cookie|credential|bearer|jwt|(?:api|access|private|signing|encryption)key/
const PLACES: ReadonlySet<string> = new Set('job spec log record item table index partition sort start cache map'.split(' '))

export function isSecretName(name: string): boolean {
  const parts = words(name)
  const [before = '', last = ''] = [parts.at(-2), parts.at(-1)]
  return ANYWHERE.test(parts.join('')) || ((last === 'key' || last === 'keys') && !PLACES.has(before))
}

/** `env`, `jobEnv`, `environment`: of its entries only the names are shown. */
export function isEnvName(name: string): boolean {
  return /^(?:env|environ|environment|envvars)$/.test(words(name).at(-1) ?? '')
}

/** Fences, and hashes of what may be secret: shown short, but long enough to find them. */
export function isShortName(name: string): boolean {
  const parts = words(name)
  return /^(?:epoch|nonce|hash|sha256)$/.test(parts.at(-1) ?? '') || parts.join('') === 'writeid'
}

function words(name: string): string[] {
  const spaced = name.slice(0, 200).replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll(/([A-Z])([A-Z][a-z])/g, '$1 $2')
  return spaced.toLowerCase().split(/[^a-z0-9]+/).filter(Boolean)
}

/** Names that are recognised inside a text. */
const NAMED = '(?:secret|token|passw(?:or)?d|passphrase|credential|signature|(?:api|access|private)[_-]?key)s?'

/** Cut out of every text. Each pattern takes time linear in the text, since it is run on what others have sent. */
const TEXT_RULES: readonly (readonly [pattern: RegExp, instead: string])[] = [
  // User information in a URL; first with an unencoded slash in the password, unless that looks like a port.
  [/:\/\/[^\s/?#@:]{0,256}:(?!\d{1,5}(?:[/?#]|$))[^\s@]{0,512}@/g, `://${REDACTED}@`],
  [/:\/\/[^\s/?#]*@/g, `://${REDACTED}@`],
  [/\b(bearer|basic)(\s{1,8}|%20)[^\s"',;]+/gi, `$1$2${REDACTED}`],
  // This service's tokens, JSON web tokens, private keys.
  [/\bpman_[\w-]{16,}/g, REDACTED],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, REDACTED],
  [/-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]*/g, REDACTED],
  // name=value in a query or a command; "name": "value" in quoted JSON; name: value in a header.
  [new RegExp(`(${NAMED}=)[^\\s"'&,;]+`, 'gi'), `$1${REDACTED}`],
  [new RegExp(`((?:${NAMED}|authorization|cookie)\\\\?"\\s{0,8}:\\s{0,8}\\\\?")(?:\\\\.|[^"\\\\])+`, 'gis'), `$1${REDACTED}`],
  [/((?:-token|authorization|cookie|-key)\s{0,8}:\s{0,8})(?!(?:bearer|basic)\b)[^\s"][^\r\n"]*/gi, `$1${REDACTED}`],
]

export function redactedText(text: string): string {
  return TEXT_RULES.reduce((rest, [pattern, instead]) => rest.replaceAll(pattern, instead), text)
}
