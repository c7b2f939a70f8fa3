/** What the API server says no to, and how it is asked to change an object; apart from its client, which is large. */

/** A field that the API server has found wrong (API conventions, StatusCause). */
export interface StatusCause {
  field: string
  message: string
}

/** The API server's own word that it has not done what was asked: its Status object (API conventions, "Response Status Kind"). */
export class KubernetesRefusal extends Error {
  readonly status: number
  /** Such as `NotFound`, `AlreadyExists`, `Forbidden`, `Invalid`. */
  readonly reason: string
  readonly causes: readonly StatusCause[]

  constructor(message: string, details: { status: number; reason: string; causes?: readonly StatusCause[] }) {
    super(message)
    this.name = 'KubernetesRefusal'
    this.status = details.status
    this.reason = details.reason
    this.causes = details.causes ?? []
  }
}

/** One operation of a JSON patch (RFC 6902); a `test` that fails changes nothing and is refused with 422. */
export type PatchStep = { op: 'test' | 'add' | 'replace'; path: string; value: unknown }

/** What of an object's metadata a JSON pointer (RFC 6901) names. */
export const pointer = (...parts: readonly string[]): string =>
  parts.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
