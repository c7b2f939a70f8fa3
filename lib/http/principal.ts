import type { Principal, Scope } from '../jobs/types.ts'

/** What the authorizer hands on to the functions; API Gateway carries strings. */
export interface AuthorizerContext {
  name: string
  scopes: string
  computes: string
}

/** `*`: every compute. */
const ALL = '*'

export const toContext = (principal: Principal): AuthorizerContext => ({
  name: principal.name,
  scopes: principal.scopes.join(' '),
  computes: principal.computes?.join(' ') ?? ALL,
})

/** The caller that the authorizer has authenticated; undefined where no authorizer ran. */
export function fromContext(context: unknown): Principal | undefined {
  const { name, scopes, computes } = (context ?? {}) as Partial<AuthorizerContext>
  if (typeof name !== 'string' || typeof scopes !== 'string' || typeof computes !== 'string') return undefined
  return {
    name,
    scopes: scopes.split(' ').filter((scope): scope is Scope => scope === 'read' || scope === 'write'),
    computes: computes === ALL ? undefined : computes.split(' '),
  }
}
