/** slurmrestd: the version that both sides speak, tokens, jobs. Knows nothing of the gateway; repeats nothing but for a new token. */
import * as z from 'zod'
import type { AccountedJob, Codec, SlurmJob, Submission } from './slurm-codec.ts'
import { plainCodec } from './slurm-codec-plain.ts'
import { wrappedCodec } from './slurm-codec-wrapped.ts'
import { bodyOf, NoSuchPath, refusalOf, SlurmRefusal } from './slurm-errors.ts'
import type { SlurmBody, SlurmError } from './slurm-errors.ts'
import { EngineAnswer, transport } from './transport.ts'
import type { Endpoint, Question } from './transport.ts'

/** Whom slurmrestd is to take us for. */
export interface SlurmLogin {
  user: string
  /** A JWT, as `scontrol token` gives it. */
  token: string
}

/** The login; `fresh`: read again now, since the last one was not taken. */
export type Login = (how: { fresh: boolean }, signal: AbortSignal) => Promise<SlurmLogin>

export interface SlurmHealth {
  /** `22.05.8`. */
  release: string
  /** `v0.0.38`. */
  api: string
}

export interface SlurmRest {
  /** Submits a job that is held. Once an id is given the job is there, whatever else the answer says. Throws SlurmRefusal. */
  submit(job: Submission, signal: AbortSignal): Promise<{ id: number; notes: readonly SlurmError[] }>
  /** undefined: the controller says that it has no such job. Whatever else goes wrong is thrown. */
  job(id: number, signal: AbortSignal): Promise<SlurmJob | undefined>
  /** Every job that the user may see; entries that are none are left out. */
  jobs(signal: AbortSignal): Promise<SlurmJob[]>
  /** Lets a held job be scheduled; repeatable. Throws SlurmRefusal. */
  release(id: number, signal: AbortSignal): Promise<void>
  /** Ends a job, whether it has begun or not. Throws SlurmRefusal. */
  cancel(id: number, signal: AbortSignal): Promise<void>
  /** What the accounting database remembers of this id, which may have been several jobs'; none where there is no database. */
  accounted(id: number, signal: AbortSignal): Promise<AccountedJob[]>
  /** Throws unless a controller is up and the token is taken. */
  ping(signal: AbortSignal): Promise<SlurmHealth>
  close(): void
}

/** Newest first. v0.0.39 has its own shape, and every SLURM that has it has 38 or 40 too. */
export const VERSIONS = [44, 43, 42, 41, 40, 38] as const
export type Version = (typeof VERSIONS)[number]
const codecOf = (version: Version): Codec => (version === 38 ? plainCodec : wrappedCodec)

const submittedSchema = z.object({ job_id: z.int().min(1) })
const jobsSchema = z.object({ jobs: z.array(z.unknown()) })
const pingSchema = z.object({
  pings: z.array(z.object({ ping: z.string().nullish(), pinged: z.string().nullish(), responding: z.boolean().nullish() })),
})
/** The key is `Slurm` in v0.0.38, `slurm` later. */
const metaSchema = z.object({
  meta: z.object({ Slurm: z.object({ release: z.string() }).optional(), slurm: z.object({ release: z.string() }).optional() }),
})

export function slurmRest(endpoint: Endpoint, login: Login, fixed?: Version): SlurmRest {
  const engine = transport(endpoint)
  let known: Version | undefined = fixed

  /** One question; a token that is not taken is read again once, and the question repeated if there is another. */
  async function ask(question: Question): Promise<SlurmBody> {
    const first = await login({ fresh: false }, question.signal)
    try {
      return await askAs(first, question)
    } catch (error) {
      if (!(error instanceof SlurmRefusal && error.trouble === 'login')) throw error
      const second = await login({ fresh: true }, question.signal)
      if (second.token === first.token && second.user === first.user) throw error
      return askAs(second, question)
    }
  }

  async function askAs({ user, token }: SlurmLogin, question: Question): Promise<SlurmBody> {
    const headers = { 'x-slurm-user-name': user, 'x-slurm-user-token': token, accept: 'application/json' }
    const answer = bodyOf(question, await engine.ask({ ...question, headers }))
    const taken = submittedSchema.safeParse(answer.body).success
    if (answer.errors.length > 0 && !taken) {
      const refusal = refusalOf(question, answer.errors)
      if (refusal.trouble === 'login') throw refusal
    }
    return answer
  }

  /** The newest version that is served: an unknown one is 404, and anything but a plain yes tells nothing. */
  async function negotiated(signal: AbortSignal): Promise<Version> {
    if (known !== undefined) return known
    for (const version of VERSIONS) {
      const question: Question = { method: 'GET', path: `/slurm/v0.0.${version}/ping`, signal }
      try {
        const { errors } = await ask(question)
        if (errors.length > 0) throw refusalOf(question, errors)
        return (known = version)
      } catch (error) {
        if (!(error instanceof NoSuchPath)) throw error
      }
    }
    throw new EngineAnswer(`slurmrestd serves none of the versions v0.0.${VERSIONS.join(', v0.0.')}`, 404)
  }

  interface Ask extends Pick<Question, 'method' | 'body' | 'signal'> {
    path: string | ((codec: Codec) => string)
    part?: 'slurm' | 'slurmdb'
  }

  /** A question under the version. Where there is no such path, slurmrestd was replaced: the next call asks for its version. */
  async function versioned({ path, part = 'slurm', ...rest }: Ask): Promise<SlurmBody & { codec: Codec; question: Question }> {
    const version = await negotiated(rest.signal)
    const codec = codecOf(version)
    const question: Question = { ...rest, path: `/${part}/v0.0.${version}${typeof path === 'string' ? path : path(codec)}` }
    try {
      return { ...(await ask(question)), codec, question }
    } catch (error) {
      if (error instanceof NoSuchPath && part === 'slurm') known = fixed
      throw error
    }
  }

  /** The same, for which any error is a refusal. */
  async function done(asked: Ask) {
    const answer = await versioned(asked)
    if (answer.errors.length > 0) throw refusalOf(answer.question, answer.errors)
    return answer
  }

  return {
    async submit(job, signal) {
      const codec = codecOf(await negotiated(signal))
      const asked: Ask = { method: 'POST', path: '/job/submit', body: codec.submission(job), signal }
      const { body, errors, question } = await versioned(asked)
      const { data } = submittedSchema.safeParse(body)
      if (data === undefined && errors.length > 0) throw refusalOf(question, errors)
      if (data === undefined) throw new EngineAnswer(`${question.method} ${question.path}: the answer names no job`, 200)
      return { id: data.job_id, notes: errors }
    },

    async job(id, signal) {
      try {
        const { body, codec, question } = await done({ method: 'GET', path: `/job/${id}`, signal })
        const [job] = jobsIn(body, question)
        if (job === undefined) throw new EngineAnswer(`${question.method} ${question.path}: the answer has neither a job nor an error`, 200)
        return readable(() => codec.job(job), question)
      } catch (error) {
        if (error instanceof SlurmRefusal && error.trouble === 'missing') return undefined
        throw error
      }
    },

    async jobs(signal) {
      const { body, codec, question } = await done({ method: 'GET', path: ({ jobsPath }) => jobsPath, signal })
      return jobsIn(body, question).flatMap((job) => {
        try {
          return [codec.job(job)]
        } catch {
          return []
        }
      })
    },

    async release(id, signal) {
      await done({ method: 'POST', path: `/job/${id}`, body: { hold: false }, signal })
    },

    async cancel(id, signal) {
      await done({ method: 'DELETE', path: `/job/${id}`, signal })
    },

    async accounted(id, signal) {
      try {
        const { body, errors, codec, question } = await versioned({ method: 'GET', path: `/job/${id}`, part: 'slurmdb', signal })
        if (errors.some(({ code }) => code !== NOT_FOUND && code !== 0)) throw refusalOf(question, errors)
        return errors.length > 0 ? [] : jobsIn(body, question).map((job) => readable(() => codec.accounted(job), question))
      } catch (error) {
        if (error instanceof NoSuchPath) return []
        throw error
      }
    },

    async ping(signal) {
      const { body, question } = await done({ method: 'GET', path: '/ping', signal })
      const pings = pingSchema.safeParse(body).data?.pings ?? []
      if (!pings.some(({ ping, pinged, responding }) => responding === true || ping === 'UP' || pinged === 'UP')) {
        throw new EngineAnswer(`${question.method} ${question.path}: no controller is up`, 200)
      }
      const { data } = metaSchema.safeParse(body)
      const api = /v0\.0\.\d+/.exec(question.path)?.[0] ?? ''
      return { release: data?.meta.slurm?.release ?? data?.meta.Slurm?.release ?? 'unknown', api }
    },

    close: () => engine.close(),
  }
}

/** ESLURM_REST_EMPTY_RESULT: the database has no such job. */
const NOT_FOUND = 9003

function jobsIn(body: unknown, question: Question): unknown[] {
  const { data } = jobsSchema.safeParse(body)
  if (data === undefined) throw new EngineAnswer(`${question.method} ${question.path}: the answer has no jobs`, 200)
  return data.jobs
}

function readable<T>(read: () => T, { method, path }: Question): T {
  try {
    return read()
  } catch (error) {
    throw new EngineAnswer(`${method} ${path}: the job in the answer cannot be read`, 200, undefined, error)
  }
}
