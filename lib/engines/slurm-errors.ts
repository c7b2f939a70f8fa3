import * as z from 'zod'
import { EngineAnswer } from './transport.ts'
import type { Answer, Question } from './transport.ts'

/**
 * What an error means to whoever asked. missing: the controller's word that it has no such job. finished: the job is over, and stays so.
 * refused: the request itself is wrong for this site. later: the site takes no more now. denied: not this user's to do.
 * login: the token is not taken, or the controller cannot be reached (slurmrestd 22.05 does not tell which). unclear: anything else.
 */
export type Trouble = 'missing' | 'finished' | 'refused' | 'later' | 'denied' | 'login' | 'unclear'

/** The codes that mean something to a client, by `slurm/slurm_errno.h` of SLURM 22.05 to 25.11; what is not here is `unclear`. */
const CODES: ReadonlyMap<number, Trouble> = new Map<number, Trouble>([
  [2017, 'missing'], // ESLURM_INVALID_JOB_ID
  [2021, 'finished'], // ESLURM_ALREADY_DONE
  [2084, 'finished'], // ESLURM_JOB_FINISHED
  [2002, 'denied'], // ESLURM_ACCESS_DENIED
  ...rows('login', [
    -1, // SLURM_ERROR, all that 22.05 says of a job when the token is refused or the controller is down
    1001, 1002, 1003, 1004, // SLURM_COMMUNICATIONS_…
    1007, // SLURM_PROTOCOL_AUTHENTICATION_ERROR
    1800, 1801, 1802, 1803, 1804, 1805, // SLURMCTLD_COMMUNICATIONS_…
    2027, 2131, // ESLURM_IN_STANDBY_…
    5003, 5004, 5005, // a broken connection to the controller, which a refused token ends in too
    6000, 6001, 6004, 6007, 6008, // ESLURM_AUTH_…
    7000, // ESLURM_DB_CONNECTION
    9008, // ESLURM_REST_AUTH_FAIL
  ]),
  ...rows('later', [
    2007, // ESLURM_MAX_JOB_COUNT
    2050, // ESLURM_ACCOUNTING_POLICY, such as the number of jobs that an account may have
    2105, // ESLURM_SUBMISSIONS_DISABLED
    2125, // ESLURM_DEFER
  ]),
  ...rows('refused', [
    2000, 2001, 2003, 2004, 2005, 2006, 2008, 2009, 2010, 2012, // partition, nodes, CPUs, script, length of a word
    2014, 2015, 2025, 2029, 2040, 2044, 2045, 2048, // more than there is; tasks, features, memory, account, licenses
    2051, 2052, 2053, 2054, 2056, 2057, 2063, 2066, 2069, 2070, 2072, // time limit, reservation, working directory, QOS, CPUs, gres
    2101, 2113, 2115, 2119, 2122, 2124, 2127, 2130, 2132, 2133, 2134, // partition, TRES, gres, environment, association
    2171, // ESLURM_INVALID_ASSOC
    8000, // ESLURM_MISSING_TIME_LIMIT
    9001, 9002, // the request cannot be parsed
  ]),
])

function rows(trouble: Trouble, codes: readonly number[]): [number, Trouble][] {
  return codes.map((code) => [code, trouble])
}

/** Codes that slurmrestd gives along with a job that it has taken: it is held, or what it asks for is beyond its partition's limits. */
export const NOTES = { held: 2042, beyondPartition: 2015 } as const

/** One entry of an answer's `errors`. */
export interface SlurmError {
  code: number
  text: string
}

/** SLURM's own "no": an answer with errors, whatever its HTTP status. */
export class SlurmRefusal extends Error {
  readonly trouble: Trouble
  readonly codes: readonly number[]

  constructor(message: string, trouble: Trouble, codes: readonly number[]) {
    super(message)
    this.name = 'SlurmRefusal'
    this.trouble = trouble
    this.codes = codes
  }
}

/** There is no such path: slurmrestd does not speak this version, or does not have this part of it. */
export class NoSuchPath extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NoSuchPath'
  }
}

const errorSchema = z.object({
  error_code: z.int().nullish(),
  error_number: z.int().nullish(),
  error: z.string().nullish(),
  description: z.string().nullish(),
})
/** From v0.0.40 on an update answers for each job in `results` (slurm.schedmd.com/rest_release_notes.html). */
const envelopeSchema = z.object({
  errors: z.array(errorSchema).nullish(),
  results: z.array(errorSchema).nullish(),
})

/** The errors of an answer; those without a number, which tell the same a second time, go last. */
export function errorsOf(body: unknown): SlurmError[] {
  const { data } = envelopeSchema.safeParse(body)
  const failed = (data?.results ?? []).filter(({ error_code, error_number }) => (error_code ?? error_number ?? 0) !== 0)
  const errors = [...(data?.errors ?? []), ...failed].map(({ error_code, error_number, error, description }) => ({
    code: error_code ?? error_number ?? 0,
    text: [...new Set([description, error].filter((text) => text !== undefined && text !== null && text !== ''))].join(': '),
  }))
  return errors.sort((a, b) => Number(a.code === 0) - Number(b.code === 0))
}

/** The refusal that these errors are; `missing` only if nothing else is said beside it. */
export function refusalOf({ method, path }: Pick<Question, 'method' | 'path'>, errors: readonly SlurmError[]): SlurmRefusal {
  const codes = errors.map(({ code }) => code).filter((code) => code !== 0)
  const troubles = new Set(codes.map((code) => CODES.get(code) ?? 'unclear'))
  const [first = 'unclear'] = troubles
  const trouble = troubles.has('login') ? 'login' : first === 'missing' && troubles.size > 1 ? 'unclear' : first
  const told = errors.map(({ code, text }) => (code === 0 ? text : `${text || 'no text'} (${code})`)).join('; ')
  return new SlurmRefusal(`${method} ${path}: ${told}`, trouble, codes)
}

/** Statuses by which slurmrestd refuses a token (511 from 24.11 on). */
const LOGIN_REFUSED = [401, 403, 511]

/** What slurmrestd has answered. */
export interface SlurmBody {
  body: unknown
  errors: SlurmError[]
}

/**
 * The JSON of an answer, with its errors. Throws SlurmRefusal `login` for a refused token, NoSuchPath, or EngineAnswer if it is not
 * slurmrestd that has answered.
 */
export function bodyOf({ method, path }: Pick<Question, 'method' | 'path'>, { status, text }: Answer): SlurmBody {
  const body = jsonOrNothing(text)
  const errors = errorsOf(body)
  if (LOGIN_REFUSED.includes(status)) throw new SlurmRefusal(`${method} ${path}: the token is not taken (${status})`, 'login', [])
  if (status === 404 && errors.every(({ code }) => code === 0)) throw new NoSuchPath(`${method} ${path}: there is no such path (404)`)
  if (typeof body !== 'object' || body === null) throw new EngineAnswer(`${method} ${path}: ${status}, and not from slurmrestd`, status)
  if (status >= 300 && errors.length === 0) throw new EngineAnswer(`${method} ${path}: the answer is ${status}, without an error`, status)
  return { body, errors }
}

function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
