import * as z from 'zod'
import { PmanError } from '../../errors.ts'
import type { BackendContext } from '../contract.ts'
import { optionProblems as dockerProblems, parseOptions as parseDocker } from '../docker/options.ts'
import type { DockerOptions } from '../docker/options.ts'

/** Of the docker driver's options, those that mean the same for a service. */
const SHARED = ['host', 'certPath', 'insecure', 'network', 'pidsLimit', 'capabilities', 'init', 'stopGrace', 'log'] as const

/** `node.labels.x==y`, as `docker service create --constraint` takes it. */
const constraint = z
  .string('must be text')
  .regex(/^[A-Za-z0-9_.-]+\s*(==|!=)\s*[^\s].*$/, 'must be like node.labels.zone==a or node.role!=manager')

const yes = z.boolean('must be true or false')

const ownSchema = z.strictObject({
  /** Where tasks may run; all must hold. */
  constraints: z.array(constraint, 'must be a list').default([]),
  /** A task waits until a node has what its limits allow, and keeps it: otherwise the scheduler does not know of limits. */
  reserve: yes.default(false),
  /** The name of the generic resource that a GPU is on the nodes (`node-generic-resources` of dockerd). */
  gpuResource: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'must be a name of letters, digits and _.-').default('NVIDIA-GPU'),
})

/** The options of a Swarm driver, complete. */
export type SwarmOptions = DockerOptions & Readonly<z.infer<typeof ownSchema>>

type Raw = BackendContext['options']
const isShared = (name: string): boolean => SHARED.some((one) => one === name)
const part = (options: Raw, shared: boolean): Raw =>
  Object.fromEntries(Object.entries(options).filter(([name]) => isShared(name) === shared))

/** What is wrong with the options, as `path: text`. */
export function optionProblems(options: Raw): string[] {
  const { error } = ownSchema.safeParse(part(options, false))
  const own = (error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `options.${[...issue.path, key].join('.')}: there is no such setting`)
      : [`options.${issue.path.join('.')}: ${issue.message}`],
  )
  return [...dockerProblems(part(options, true)), ...own]
}

/** Throws PmanError `config` with every problem. */
export function parseOptions(options: Raw): SwarmOptions {
  const { data } = ownSchema.safeParse(part(options, false))
  const found = optionProblems(options)
  if (data === undefined || found.length > 0) throw new PmanError('config', found.join('\n'))
  return { ...parseDocker(part(options, true)), ...data }
}
