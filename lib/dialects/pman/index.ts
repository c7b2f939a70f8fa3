import type { Dialect } from '../dialect.ts'
import { parse } from './parse.ts'
import { fieldName, render, renderError } from './render.ts'

/** pman's API v1, in the three shapes of request that its versions 3, 4 and 6 take. */
export const pman: Dialect = { parse, render, renderError, fieldName }
