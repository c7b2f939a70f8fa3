import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

import * as z from 'zod'

import { PmanError } from '../errors.ts'
import type { Principal } from '../jobs/types.ts'

/** Longest header that is looked at; a token has 48 characters. */
const MAX_HEADER = 4_096
/** What a token may consist of: it travels in headers and URLs. */
const TOKEN = /^[\x21-\x7e]{1,1024}$/

/**
 * The token of an Authorization header: `Bearer <token>`, or `Basic` with the token as password and any user name, since pfcon carries
 * nothing but a URL. It is taken as it came: a client has already decoded what its URL had encoded. Undefined: none that could be one.
 */
export function parseCredentials(header: string | undefined): string | undefined {
  if (header === undefined || header.length > MAX_HEADER) return undefined
  const [, scheme, value] = /^ *(bearer|basic) +([^ ]+) *$/i.exec(header) ?? []
  if (scheme === undefined || value === undefined) return undefined
  const token = scheme.toLowerCase() === 'bearer' ? value : passwordOf(value)
  return token !== undefined && TOKEN.test(token) ? token : undefined
}

function passwordOf(base64: string): string | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  const pair = Buffer.from(base64, 'base64').toString('utf8')
  // The user name has no colon, the password may have some (RFC 7617).
  const colon = pair.indexOf(':')
  return colon < 0 ? undefined : pair.slice(colon + 1)
}

/**
 * What is kept of a token. A plain hash is enough: a token is 256 random bits, so there is nothing to guess, which is all that salt and
 * a slow hash would protect.
 */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex')
}

const HASH = /^[0-9a-f]{64}$/

const entrySchema = z.strictObject({
  name: z
    .string()
    .regex(/^[\w .@-]{1,64}$/, 'must be 1 to 64 letters, digits, spaces or . @ _ -')
    .refine(isNoToken, 'must be a name, not a token or its hash'),
  sha256: z.string().toLowerCase().regex(HASH, 'must be the SHA-256 of a token, 64 hexadecimal digits'),
  scopes: z.array(z.enum(['read', 'write'], 'must be read or write')).min(1, 'must hold read, write or both'),
  computes: z
    .array(z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be the name of a compute'))
    .min(1, 'must name a compute; leave it out for all')
    .optional(),
})
/** One entry of the tokens secret: `{"tokens": [entry, …]}`. */
export type TokenEntry = z.infer<typeof entrySchema>

function isNoToken(name: string): boolean {
  return !HASH.test(name.toLowerCase()) && !name.startsWith('pman_')
}

export type TokenTable = ReadonlyMap<string, Principal>

/**
 * The tokens secret's text as hash -> caller. Throws PmanError `config` with a line for each problem; it names the entries, and never
 * shows a hash or any other of their values.
 */
export function parseTokenTable(text: string): TokenTable {
  const entries = entriesOf(text)
  const table = new Map<string, Principal>()
  const problems: string[] = []
  entries.forEach((raw, index) => {
    const label = labelOf(raw, index)
    const entry = entrySchema.safeParse(raw)
    if (!entry.success) {
      problems.push(...entry.error.issues.map((issue) => `${label}: ${describe(issue)}`))
      return
    }
    const { sha256, ...principal } = entry.data
    const other = table.get(sha256)
    if (other) problems.push(`${label}: has the same token as ${other.name}`)
    else table.set(sha256, principal)
  })
  if (problems.length > 0) throw new PmanError('config', problems.join('\n'))
  return table
}

function entriesOf(text: string): unknown[] {
  const content = z.strictObject({ tokens: z.array(z.unknown()) }).safeParse(fromJson(text))
  if (content.success) return content.data.tokens
  throw new PmanError('config', 'the tokens secret must be JSON: {"tokens": [{"name", "sha256", "scopes", "computes"?}, …]}')
}

/** Without the parser's error, which quotes the text. */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function labelOf(raw: unknown, index: number): string {
  const name = entrySchema.shape.name.safeParse((raw as { name?: unknown } | null)?.name)
  return name.success ? `tokens[${index}] (${name.data})` : `tokens[${index}]`
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'has other keys than name, sha256, scopes and computes'
  return `${issue.path.map(String).join('.') || 'entry'}: ${issue.message}`
}

/** The caller with this token. Every entry is compared, each in constant time: how long it takes tells nothing of the table. */
export function findPrincipal(table: TokenTable, token: string): Principal | undefined {
  const wanted = Buffer.from(hashToken(token), 'hex')
  let found: Principal | undefined
  for (const [hash, principal] of table) {
    if (timingSafeEqual(Buffer.from(hash, 'hex'), wanted)) found = principal
  }
  return found
}

/** A new token: 256 random bits, safe in headers and URLs, with a prefix by which secret scanners and this service's log know it. */
export function newToken(): string {
  return `pman_${randomBytes(32).toString('base64url')}`
}

/** What the tokens secret keeps of a token. Throws PmanError `config` for a caller that the table would refuse. */
export function tokenEntry(token: string, caller: Principal): TokenEntry {
  const entry = entrySchema.safeParse({ ...caller, sha256: hashToken(token) })
  if (!entry.success) throw new PmanError('config', entry.error.issues.map(describe).join('\n'))
  return entry.data
}
