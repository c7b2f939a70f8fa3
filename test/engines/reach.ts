import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorText } from '../../lib/errors.ts'
import type { Engine, Variables } from './table.ts'

/** An engine that answers, with the variables that reach it; or why it is left out. */
export type Reached = { name: string; engine: Engine; variables: Variables } | { name: string; why: string }

type Environment = Readonly<Record<string, string | undefined>>

/** `export NAME=value` and `NAME=value` of each line; a value may be in quotes, in which nothing has a meaning. */
export function parseVariables(text: string): Variables {
  const found = text.split('\n').flatMap((line) => {
    const [, name, value = ''] = /^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*?)\s*$/.exec(line) ?? []
    return name === undefined ? [] : [[name, /^(['"])(.*)\1$/.exec(value)?.[2] ?? value] as const]
  })
  return Object.fromEntries(found)
}

/** Asks an engine whether it answers, by the variables that a person has set, or else by those of its own file. Starts nothing. */
export async function reach(name: string, engine: Engine, env: Environment, directory: string): Promise<Reached> {
  const set = Object.fromEntries(engine.needs.flatMap((need) => (env[need] ? [[need, env[need]] as const] : [])))
  const missing = (variables: Variables): string[] => engine.needs.filter((need) => !variables[need])
  const file = join(directory, name, 'env')
  const of = async (engineName: string): Promise<Variables> =>
    parseVariables(await readFile(join(directory, engineName, 'env'), 'utf8').catch(() => ''))
  const kept = async (): Promise<Variables> => ({ ...(engine.on === undefined ? {} : await of(engine.on)), ...(await of(name)) })
  const variables = missing(set).length === 0 ? set : await kept()
  if (missing(variables).length > 0) return { name, why: `neither ${file} nor the environment has ${missing(variables).join(', ')}` }
  try {
    await engine.probe(variables)
    return { name, engine, variables }
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    return { name, why: `does not answer: ${errorText(cause)}` }
  }
}
