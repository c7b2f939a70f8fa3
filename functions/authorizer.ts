import type { APIGatewaySimpleAuthorizerWithContextResult } from 'aws-lambda'
import { access } from '../lib/app.ts'
import { toContext, type AuthorizerContext } from '../lib/http/principal.ts'

type Answer = APIGatewaySimpleAuthorizerWithContextResult<Partial<AuthorizerContext>>

/** Says who the caller is. It throws where the tokens cannot be read: an outage is no refusal. Scopes are the service's matter. */
export async function handler(event: { identitySource?: string[] | null }): Promise<Answer> {
  const principal = await access().authenticate(event.identitySource?.[0])
  return principal === undefined ? { isAuthorized: false, context: {} } : { isAuthorized: true, context: { ...toContext(principal) } }
}
