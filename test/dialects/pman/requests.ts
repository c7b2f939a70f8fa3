import { readFileSync } from 'node:fs'
import { pman } from '../../../lib/dialects/pman/index.ts'
import { PmanError } from '../../../lib/errors.ts'

export type Body = Record<string, unknown>

const example = (name: string): Body =>
  JSON.parse(readFileSync(new URL(`../../../examples/requests/${name}.json`, import.meta.url), 'utf8')) as Body

/** One real request of each shape. */
export const REQUESTS = { v3: example('v3'), v4: example('v4'), v6: example('v6') }
export type ShapeName = keyof typeof REQUESTS

/** A request of a shape with some fields set otherwise; one that is undefined is left out. */
export function request(shape: ShapeName, changes: Body = {}): Body {
  return Object.fromEntries(Object.entries({ ...REQUESTS[shape], ...changes }).filter(([, value]) => value !== undefined))
}

/** The fields that a request is refused for; empty: it is taken. */
export function refusedFields(body: unknown): Readonly<Record<string, string>> {
  try {
    pman.parse(body)
    return {}
  } catch (error) {
    if (error instanceof PmanError && error.code === 'invalid') return error.fields ?? {}
    throw error
  }
}
