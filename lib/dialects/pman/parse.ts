import { invalid } from '../../errors.ts'
import type { Submission } from '../dialect.ts'
import type { Readers } from './readers.ts'
import { SHAPES, shapeOf, type Common, type Problems, type Shape, type ShapeName } from './shapes.ts'

type Body = Readonly<Record<string, unknown>>

const PARSERS: Readonly<Record<ShapeName, (body: Body) => Submission>> = {
  v3: (body) => parseAs(SHAPES.v3, body),
  v4: (body) => parseAs(SHAPES.v4, body),
  v6: (body) => parseAs(SHAPES.v6, body),
}

/** Reads a submission in any of pman's three shapes. Throws PmanError `invalid`, naming every field that is wrong at once. */
export function parse(body: unknown): Submission {
  if (!isObject(body)) throw invalid({ body: 'must be a JSON object' })
  return PARSERS[shapeOf(body)](body)
}

function parseAs<T extends Common>(shape: Shape<T>, body: Body): Submission {
  const values = complete(shape, body)
  return {
    jid: values.jid,
    spec: {
      image: values.image,
      ...shape.command(values),
      workers: values.number_of_workers,
      cpuLimit: values.cpu_limit,
      memoryLimit: values.memory_limit,
      gpuLimit: values.gpu_limit,
      timeLimit: 0,
      auid: values.auid,
    },
  }
}

/** Every field of the shape, or every problem of the request. */
function complete<T>(shape: Shape<T>, body: Body): T {
  const { values, problems } = readFields(shape.fields, body)
  const all = { ...shape.clashes(values), ...problems }
  if (Object.keys(all).length > 0) throw invalid(all)
  return values as T
}

function readFields<T>(readers: Readers<T>, body: Body): { values: Partial<T>; problems: Problems } {
  const values: Partial<T> = {}
  const problems: Problems = {}
  for (const name of Object.keys(readers) as (keyof T & string)[]) {
    const read = readers[name](body[name])
    if ('problem' in read) problems[name] = read.problem
    else values[name] = read.value
  }
  return { values, problems }
}

const isObject = (body: unknown): body is Body => typeof body === 'object' && body !== null && !Array.isArray(body)
