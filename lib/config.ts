import * as z from 'zod'

import type { BackendModule } from './backends/contract.ts'
import { BACKENDS } from './backends/index.ts'
import type { BackendType } from './backends/index.ts'
import { computeSchema, defaultStorageType, driverSlice, nameProblem } from './config/compute.ts'
import type { ComputeConfig } from './config/compute.ts'
import { computeVariables, draftFromEnvironment, tokenWarnings, valueOf } from './config/environment.ts'
import type { Draft, Environment } from './config/environment.ts'
import { draftFromYaml } from './config/file.ts'
import { configError, plainly, problemsOf } from './config/problems.ts'
import { readService, timingSchema } from './config/service.ts'
import type { ServiceConfig } from './config/service.ts'
import { isMapping, mapping, text } from './config/settings.ts'
import { errorText, PmanError } from './errors.ts'

export type { ComputeConfig, StorageConfig, StorageType } from './config/compute.ts'
export type { Environment } from './config/environment.ts'
export type { ServiceConfig } from './config/service.ts'
export type { IdRange, UserRange } from './config/settings.ts'

/** All that a site has set; frozen. */
export interface Config extends ServiceConfig {
  readonly computes: ReadonlyMap<string, ComputeConfig>
  /** The compute that `default` stands for. */
  readonly defaultCompute: string
  /** What was set and has no effect; to be logged once. */
  readonly warnings: readonly string[]
}

type Drivers = Partial<Record<BackendType, () => Promise<Pick<BackendModule, 'problems'>>>>

/** How `loadConfig` gets at texts, and the drivers that check their own options. */
export interface ConfigSources {
  readFile: (path: string) => Promise<string>
  /** Throws PmanError `secret_missing` or `secrets_unavailable`. */
  readSecret: (name: string) => Promise<string>
  drivers?: Drivers
}

/**
 * The whole configuration, checked by the schema and by the drivers of the configured types. The computes come from the secret that
 * PMAN_COMPUTES_SECRET names, or the file that PMAN_COMPUTES_FILE names, or else pman's variables.
 * Throws PmanError `config` with a line for each problem; a secrets store that is down throws its own error.
 */
export async function loadConfig(env: Environment, sources: ConfigSources): Promise<Config> {
  const drivers = sources.drivers ?? BACKENDS
  const draft = await chosenDraft(env, sources)
  const found = examine(draft, env, Object.keys(drivers) as BackendType[])
  return finished(found, await driverProblems(draft, drivers))
}

/** The configuration that pman's variables make, without the drivers' own checks. Throws PmanError `config`. */
export function configFromEnvironment(env: Environment): Config {
  return finished(examine(draftFromEnvironment(env), env))
}

/** The configuration that the text of a computes.yml makes, without the drivers' own checks. Throws PmanError `config`. */
export function configFromYaml(text: string, env: Environment): Config {
  return finished(examine(fileDraft(text, env), env))
}

/** What a function needs that has nothing to do with computes, such as the authorizer. Throws PmanError `config`. */
export function serviceFromEnvironment(env: Environment): ServiceConfig {
  const { service, problems } = readService(env)
  if (!service) throw configError(problems)
  return deepFrozen(service)
}

async function chosenDraft(env: Environment, { readFile, readSecret }: ConfigSources): Promise<Draft> {
  const secret = valueOf(env, 'PMAN_COMPUTES_SECRET')
  const file = valueOf(env, 'PMAN_COMPUTES_FILE')
  if (secret !== undefined && file !== undefined) return broken('PMAN_COMPUTES_SECRET and PMAN_COMPUTES_FILE: set one of the two')
  try {
    if (secret !== undefined) return fileDraft(await readSecret(secret), env)
    if (file !== undefined) return fileDraft(await readFile(file), env)
  } catch (error) {
    // A store that is down may be up again at the next request; a secret or a file that is not there is a setting to mend.
    if (error instanceof PmanError && error.transient) throw error
    return broken(`${secret !== undefined ? 'PMAN_COMPUTES_SECRET' : 'PMAN_COMPUTES_FILE'}: ${errorText(error)}`)
  }
  return draftFromEnvironment(env)
}

function broken(problem: string): Draft {
  return { raw: undefined, says: String, problems: [problem], warnings: [] }
}

function fileDraft(text: string, env: Environment): Draft {
  const draft = draftFromYaml(text)
  const idle = computeVariables(env)
  const warnings = idle.length > 0 ? [`${idle.join(', ')}: no effect, since the computes come from computes.yml`] : []
  return { ...draft, warnings: [...draft.warnings, ...warnings] }
}

const fileSchema = z.strictObject({ default: text.optional(), computes: mapping, timing: timingSchema.optional() })

interface Examined {
  problems: string[]
  warnings: string[]
  computes: Map<string, ComputeConfig>
  defaultCompute: string | undefined
  service: ServiceConfig | undefined
}

/** Everything that can be seen without the drivers. */
function examine(draft: Draft, env: Environment, types = Object.keys(BACKENDS) as BackendType[]): Examined {
  const warnings = [...draft.warnings, ...tokenWarnings(env)]
  const computes = new Map<string, ComputeConfig>()
  // A source that could not be read has nothing more to say; the service's own settings have.
  const file = draft.raw === undefined ? undefined : fileSchema.safeParse(draft.raw, { error: plainly })
  const { service, problems: serviceProblems } = readService(env, file?.data?.timing)
  const problems = [...draft.problems, ...problemsOf(file?.error, [], draft.says)]

  const schema = computeSchema(types)
  for (const [name, raw] of rawComputes(draft.raw)) {
    const result = schema.safeParse(raw, { error: plainly })
    const wrongName = nameProblem(name)
    if (wrongName) problems.push(`${draft.says(['computes', name])}: ${wrongName}`)
    if (result.success) computes.set(name, { name, ...result.data })
    else problems.push(...problemsOf(result.error, ['computes', name], draft.says))
  }
  const names = rawComputes(draft.raw).map(([name]) => name)
  const defaultCompute = file?.data?.default ?? (names.length === 1 ? names[0] : undefined)
  if (file?.success && !names.includes(defaultCompute ?? '')) problems.push(defaultProblem(names))
  return { problems: [...problems, ...serviceProblems], warnings, computes, defaultCompute, service }
}

function defaultProblem(names: readonly string[]): string {
  return names.length === 0 ? 'computes: must have at least one compute' : `default: must name one of the computes: ${names.join(', ')}`
}

/** The computes before any check, with the type of their storage filled in. */
function rawComputes(raw: unknown): [name: string, compute: unknown][] {
  if (!isMapping(raw) || !isMapping(raw.computes)) return []
  return Object.entries(raw.computes).map(([name, compute]) => [name, withStorageType(compute)])
}

function withStorageType(compute: unknown): unknown {
  if (!isMapping(compute)) return compute
  const { type, storage = {} } = compute
  return isMapping(storage) ? { ...compute, storage: { type: defaultStorageType(type), ...storage } } : compute
}

/** What the drivers say of their own options, in the words of the source. */
async function driverProblems(draft: Draft, drivers: Drivers): Promise<string[]> {
  const found: string[] = []
  for (const [name, raw] of rawComputes(draft.raw)) {
    const type = isMapping(raw) ? raw.type : undefined
    const load = Object.entries(drivers).find(([known]) => known === type)?.[1]
    const slice = driverSlice(raw)
    if (!load || !slice) continue
    const { problems } = await load()
    const told = problems({ options: slice.options, storage: slice.storage ?? { type: 'unknown' } })
      .map(splitProblem)
      .filter(({ path }) => slice.storage !== undefined || path[0] !== 'storage')
      .map(({ path, text }) => `${draft.says(['computes', name, ...path])}: ${text}`)
    found.push(...told)
  }
  return found
}

/** A driver's `path: text`; a path that does not begin with `storage` is one in its options. */
function splitProblem(problem: string): { path: string[]; text: string } {
  const [, place = 'options', text = problem] = /^([\w.-]+): (.*)$/s.exec(problem) ?? []
  const path = place.split('.')
  return { path: path[0] === 'storage' || path[0] === 'options' ? path : ['options', ...path], text }
}

function finished({ service, computes, defaultCompute, ...found }: Examined, more: readonly string[] = []): Config {
  const problems = [...found.problems, ...more]
  if (problems.length > 0 || !service || defaultCompute === undefined) throw configError(problems)
  for (const compute of computes.values()) deepFrozen(compute)
  return deepFrozen({ ...service, computes, defaultCompute, warnings: found.warnings })
}

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) Object.values(Object.freeze(value)).forEach(deepFrozen)
  return value
}
