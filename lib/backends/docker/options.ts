import { isAbsolute } from 'node:path'
import * as z from 'zod'
import { PmanError } from '../../errors.ts'
import type { BackendContext } from '../contract.ts'

const WORDS = { yes: true, true: true, on: true, no: false, false: false, off: false } as const
const yesOrNo = z.union(
  [z.boolean(), z.enum(['yes', 'true', 'on', 'no', 'false', 'off']).transform((word) => WORDS[word])],
  'must be yes or no',
)

const count = (least: number, greatest: number) => {
  const problem = `must be a whole number from ${least} to ${greatest}`
  return z.int(problem).min(least, problem).max(greatest, problem)
}

const name = z.string('must be a name').regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, 'must be a name of letters, digits and _.-')

/** A network of the engine's own; `host` and `container:…` would be somebody else's. */
const network = name.refine((value) => value !== 'host', 'must not be host: no job is given the network of the engine\'s host')

/** Drivers whose logs the engine gives back (Docker: "Configure logging drivers", dual logging). */
const LOG_DRIVERS = ['local', 'json-file', 'journald', 'k8s-file'] as const

const fields = {
  /** `unix:///path`, `tcp://host:port`, `https://host:port`. */
  host: z.string('must be text').default('unix:///var/run/docker.sock'),
  /** A folder with `ca.pem`, `cert.pem` and `key.pem`, on the machine of the function. */
  certPath: z.string('must be an absolute path').refine(isAbsolute, 'must be an absolute path').optional(),
  /** Plain HTTP over TCP: whoever reaches the port is root on the engine's host. */
  insecure: yesOrNo.default(false),
  network: network.optional(),
  /** Processes and threads that a job may have. */
  pidsLimit: count(1, 4_194_304).default(4096),
  pull: z.enum(['missing', 'always', 'never'], 'must be one of missing, always, never').default('missing'),
  gpuDriver: name.default('nvidia'),
  /** What jobs may do of all that root may, such as DAC_OVERRIDE. */
  capabilities: z
    .array(z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'must be the name of a capability, such as CHOWN').refine((value) => value !== 'ALL', 'must not be ALL'))
    .default([]),
  /** An init of the engine's as the job's first process, where the engine has one. */
  init: yesOrNo.default(false),
  /** Another OCI runtime of the engine's, such as runsc. */
  runtime: name.optional(),
  /** Seconds between SIGTERM and SIGKILL. */
  stopGrace: count(0, 3600).default(10),
  log: z
    .strictObject({
      driver: z.enum(LOG_DRIVERS, `must be one of ${LOG_DRIVERS.join(', ')}: of others the log cannot be read`),
      options: z.record(z.string(), z.string('must be text')).default({}),
    })
    .optional(),
}

const optionsSchema = z.strictObject(fields)
/** The options of a Docker driver, complete. */
export type DockerOptions = Readonly<z.infer<typeof optionsSchema>>

/** What is wrong with the options, as `path: text`. */
export function optionProblems(options: BackendContext['options']): string[] {
  const { data, error } = optionsSchema.safeParse(options)
  const found = (error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `options.${[...issue.path, key].join('.')}: there is no such setting`)
      : [`options.${issue.path.join('.')}: ${issue.message}`],
  )
  const problem = data && addressProblem(data)
  return problem === undefined ? found : [...found, problem]
}

/** Throws PmanError `config` with every problem. */
export function parseOptions(options: BackendContext['options']): DockerOptions {
  const { data } = optionsSchema.safeParse(options)
  const found = optionProblems(options)
  if (data === undefined || found.length > 0) throw new PmanError('config', found.join('\n'))
  return data
}

/** Where the engine is: a socket, or a host and port with or without TLS. */
export type Address = { socketPath: string } | { url: string; tls: boolean }

/** undefined: it is none. Plain HTTP is what `insecure` says of tcp, and http itself. */
export function addressOf({ host, insecure }: Pick<DockerOptions, 'host' | 'insecure'>): Address | undefined {
  const socket = /^unix:\/\/(\/[^\u0000-\u001f]+)$/.exec(host)?.[1]
  if (socket !== undefined) return { socketPath: socket }
  const [, scheme, place] = /^(tcp|https|http):\/\/((?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5})\/?$/.exec(host) ?? []
  if (scheme === undefined || place === undefined) return undefined
  const tls = scheme === 'https' || (scheme === 'tcp' && !insecure)
  return { url: `${tls ? 'https' : 'http'}://${place}`, tls }
}

const FORMS = 'unix:///path/to/docker.sock, tcp://host:port or https://host:port'

function addressProblem(options: DockerOptions): string | undefined {
  const address = addressOf(options)
  if (address === undefined) return `options.host: must be ${FORMS}`
  if ('url' in address && !address.tls && !options.insecure) {
    return 'options.host: plain HTTP lets anyone who reaches the port become root on the engine\'s host: use https with client certificates, or say insecure: yes'
  }
  if (options.certPath !== undefined && !('url' in address && address.tls)) {
    return `options.certPath: has no effect on ${options.host}, which is not spoken to by TLS`
  }
  return undefined
}
