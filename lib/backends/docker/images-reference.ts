/** Names of images, in full: `host/path:tag`, as every engine and registry understands them. */

/** A reference in its parts, by the grammar and the defaults of github.com/distribution/reference. */
export interface Reference {
  /** The registry: `docker.io` for Docker Hub. */
  host: string
  /** Host and path. */
  repository: string
  /** What a pull names besides the repository: the digest where there is one, else the tag. */
  version: string
  isDigest: boolean
}

/** Docker Hub by all its names. */
export const DOCKER_HUB: readonly string[] = ['docker.io', 'index.docker.io', 'registry-1.docker.io']

/** A first part with a dot, a colon, or `localhost` is a host; without one it is Docker Hub, whose own images are in `library/`. */
export function parseReference(image: string): Reference {
  const [named = '', digest] = image.split('@')
  const [, name = named, tag] = /^(.*?)(?::([^:/]+))?$/.exec(named) ?? []
  const [first = '', ...rest] = name.split('/')
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const host = !hasHost || DOCKER_HUB.includes(first) ? 'docker.io' : first
  const parts = hasHost ? rest : [first, ...rest]
  const path = host === 'docker.io' && parts.length === 1 ? ['library', ...parts] : parts
  return { host, repository: [host, ...path].join('/'), version: digest ?? tag ?? 'latest', isDigest: digest !== undefined }
}

/** In full. A short name may be an alias to Podman, and the beginning of an image's id to Docker. */
export function fullName(image: string): string {
  const { repository, version, isDigest } = parseReference(image)
  return `${repository}${isDigest ? '@' : ':'}${version}`
}
