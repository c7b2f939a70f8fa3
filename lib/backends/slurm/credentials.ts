import * as z from 'zod'
import { PmanError } from '../../errors.ts'
import type { Login, SlurmLogin } from '../../engines/slurm-rest.ts'
import type { BackendContext } from '../contract.ts'

/** Goes into a header as it is. */
const plain = /^[\x21-\x7e]+$/
const secretSchema = z.strictObject({
  user: z.string().regex(plain, 'must be a user name'),
  token: z.string().regex(plain, 'must be a token, as scontrol token gives it behind SLURM_JWT='),
})

/** The login in the secret: `{"user": "…", "token": "…"}`. Throws PmanError `config`, which never shows the secret. */
export function loginFrom(compute: string, credentials: BackendContext['credentials']): Login {
  return async (how) => parseLogin(compute, await credentials(how))
}

function parseLogin(compute: string, text: string | undefined): SlurmLogin {
  if (text === undefined) throw new PmanError('config', `compute ${compute}: credentials: SLURM needs a secret with user and token`)
  const { data, error } = secretSchema.safeParse(jsonOrText(text))
  if (data !== undefined) return data
  const told = error.issues.map(({ path, message }) => [...path, message].join(' '))
  throw new PmanError('config', `compute ${compute}: the secret must be {"user": "…", "token": "…"}: ${told.join('; ')}`)
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
