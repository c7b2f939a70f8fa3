import { EngineRejected, NotYet } from '../contract.ts'
import { parseReference } from './images-reference.ts'

type Kind = 'ImageNotFound' | 'ImageRefused' | 'RegistryUnreachable'

/**
 * What engines and registries say of a pull that failed, in the order in which it is asked. There is no vendor's list: the words are those of the
 * distribution specification's error codes (github.com/opencontainers/distribution-spec, "Error codes"), of dockerd (distribution/errors.go),
 * of containers/image (docker/errors.go, docker/docker_client.go) and of Go's net and crypto/x509.
 */
const SAID: readonly (readonly [RegExp, Kind])[] = [
  [/toomanyrequests|too many requests|rate limit|\b429\b/i, 'RegistryUnreachable'],
  [/\bdial tcp\b|no such host|connection (refused|reset)|no route to host|network is unreachable|i\/o timeout|handshake/i, 'RegistryUnreachable'],
  [/x509:|tls:|server gave HTTP response|client\.timeout|deadline exceeded|unexpected EOF|: EOF$|\b50[0-4]\b/i, 'RegistryUnreachable'],
  [/manifest .*(unknown|not found)|not found: manifest|name unknown|repository .*not found|no matching manifest|no image found in/i, 'ImageNotFound'],
  [/unauthorized|authentication required|no basic auth|invalid username\/password|incorrect username|\bdenied\b|forbidden|\b40[13]\b/i, 'ImageRefused'],
  [/not found|no such image|image not known/i, 'ImageNotFound'],
]

/**
 * Docker Hub says the same of a repository that is not there and of one that is not for everybody (dockerd: distribution/errors.go); who has sent no
 * login is told the likelier.
 */
const EITHER = /pull access denied|requested access to the resource is denied/i

/**
 * The error that the failure of a pull is. EngineRejected: no later try of the same request will do better. NotYet: the registry may answer later.
 * Otherwise the engine's own trouble, such as a full disk.
 */
export function pullFailure(image: string, message: string, sentLogin: boolean): Error {
  const text = `image ${image}: ${message}`
  const kind = kindOf(message, image, sentLogin)
  if (kind === undefined) return new Error(text)
  return kind === 'RegistryUnreachable' ? new NotYet(text, kind) : new EngineRejected(text, { reason: kind, fields: { image: message } })
}

function kindOf(message: string, image: string, sentLogin: boolean): Kind | undefined {
  if (EITHER.test(message)) return sentLogin ? 'ImageRefused' : 'ImageNotFound'
  const said = withoutNames(message, image)
  return SAID.find(([pattern]) => pattern.test(said))?.[1]
}

/** A repository may be called `denied`, or a tag `unauthorized`: words that hold the one or are the other say nothing. */
function withoutNames(message: string, image: string): string {
  const { host, repository, version } = parseReference(image)
  const path = repository.slice(host.length + 1).replace(/^library\//, '')
  return message
    .split(/\s+/)
    .filter((word) => !word.includes(path) && word !== version)
    .join(' ')
}
