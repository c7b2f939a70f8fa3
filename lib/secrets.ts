import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'

import type { CallLog } from './backends/contract.ts'
import { errorText, PmanError } from './errors.ts'

export interface Secrets {
  /**
   * The secret's text. Throws PmanError `secret_missing`: the store says that it has none, at once, even if one is kept;
   * `secrets_unavailable`: the store could not be asked, and no value is kept that is young enough.
   */
  read(name: string): Promise<string>
  /** Asks the store now, as after an engine has refused the credentials. Throws as `read`, but never gives the kept value. */
  refresh(name: string): Promise<string>
}

export interface SecretsOptions {
  fetch: (name: string) => Promise<string>
  /** Milliseconds since 1970. */
  clock: () => number
  /** Milliseconds for which a value is served without asking. */
  maxAge: number
  /** Milliseconds beyond `maxAge` for which it is still served while the store cannot be asked; 15 minutes if not given. */
  maxStale?: number
  /** Is told of every stale value. */
  log?: CallLog
}

const MAX_STALE = 15 * 60_000
/** While the store is down, who reads a stale value does not wait for another try within this time. */
const RETRY_AFTER = 5_000

interface Kept {
  value: string
  since: number
  failedAt?: number
}

/** Reads each secret once, however many ask, and keeps it for `maxAge`. No timers: an expired value is asked for by who needs it. */
export function secrets({ fetch, clock, maxAge, maxStale = MAX_STALE, log }: SecretsOptions): Secrets {
  const kept = new Map<string, Kept>()
  const flights = new Map<string, Promise<string>>()

  const ask = async (name: string): Promise<string> => {
    // The age counts from the question: the answer may be as old as that.
    const since = clock()
    try {
      const value = await fetch(name)
      kept.set(name, { value, since })
      return value
    } catch (error) {
      const failure = error instanceof PmanError ? error : unavailable(name, error)
      if (failure.code === 'secret_missing') kept.delete(name)
      throw failure
    }
  }

  /** One question at a time; a caller that comes meanwhile gets its answer, which is at most one round trip old. */
  const refresh = (name: string): Promise<string> => {
    const flight = flights.get(name) ?? ask(name).finally(() => flights.delete(name))
    flights.set(name, flight)
    return flight
  }

  const read = async (name: string): Promise<string> => {
    const now = clock()
    const before = kept.get(name)
    const age = before ? now - before.since : Infinity
    if (before && (age < maxAge || (before.failedAt !== undefined && now - before.failedAt < RETRY_AFTER && age < maxAge + maxStale))) {
      return before.value
    }
    try {
      return await refresh(name)
    } catch (error) {
      const missing = error instanceof PmanError && error.code === 'secret_missing'
      if (missing || !before || clock() - before.since >= maxAge + maxStale) throw error
      before.failedAt = clock()
      log?.('secrets_stale', { name, ageMs: clock() - before.since, error: errorText(error) })
      return before.value
    }
  }

  return { read, refresh }
}

function unavailable(name: string, cause: unknown): PmanError {
  return new PmanError('secrets_unavailable', `the secret ${name} could not be read`, { cause })
}

/** Milliseconds for one read, the SDK's own retries included. */
const READ_WITHIN = 5_000

/**
 * Reads from AWS Secrets Manager. Its SDK is loaded at the first read, since most functions never need it; a client is made then
 * unless one is given.
 */
export function fetchFromSecretsManager(client?: SecretsManagerClient): (name: string) => Promise<string> {
  let opened = client
  return async (name) => {
    try {
      const sdk = await import('@aws-sdk/client-secrets-manager')
      opened ??= new sdk.SecretsManagerClient({})
      const answer = await opened.send(new sdk.GetSecretValueCommand({ SecretId: name }), { abortSignal: AbortSignal.timeout(READ_WITHIN) })
      const value = answer.SecretString ?? (answer.SecretBinary && Buffer.from(answer.SecretBinary).toString('utf8'))
      if (value === undefined) throw new PmanError('secret_missing', `the secret ${name} has no value`)
      return value
    } catch (error) {
      if (error instanceof PmanError) throw error
      if (!isMissing(error)) throw unavailable(name, error)
      throw new PmanError('secret_missing', `the secret ${name} does not exist`, { cause: error })
    }
  }
}

/** A secret that is scheduled for deletion is refused with another name (AWS API reference, GetSecretValue). */
function isMissing(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const doomed = error.name === 'InvalidRequestException' && /marked for deletion/i.test(error.message)
  return doomed || error.name === 'ResourceNotFoundException'
}
