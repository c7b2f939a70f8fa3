import * as z from 'zod'
import { PmanError } from '../../errors.ts'
import type { BackendContext } from '../contract.ts'

const name = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'must be the name of a Kubernetes object')
const namespace = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a namespace: a-z, 0-9 and -, at most 63')
const seconds = (least: number) => z.int('must be whole seconds').min(least, `must be at least ${least}`)
const url = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).protocol === 'https:', 'must be https://host:port')
  .transform((text) => text.replace(/\/+$/, ''))

const toleration = z.strictObject({
  key: z.string().optional(),
  operator: z.enum(['Exists', 'Equal']).optional(),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
  tolerationSeconds: z.int().min(0).optional(),
})

const DAY = 86_400

export const optionsSchema = z.strictObject({
  /** The API server; the credentials may name it instead. In the cluster: found by itself. */
  server: url.optional(),
  /** Where the jobs are; in the cluster, by default, the gateway's own. */
  namespace: namespace.optional(),
  /** The gateway is who the service account of its own pod is, even if it has other credentials. */
  inCluster: z.boolean('must be true or false').default(false),
  /** Where a pod finds its service account. */
  serviceAccountDirectory: z.string().startsWith('/', 'must be an absolute path').default('/var/run/secrets/kubernetes.io/serviceaccount'),
  nodeSelector: z.record(z.string(), z.string(), 'must be names with their values').default({}),
  imagePullSecrets: z.array(name, 'must be a list of names').default([]),
  /** As Kubernetes decides by the tag, if not given. */
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  /** How long an image may be refused by its registry, or a container by its node, before the job counts as failed. */
  imagePullBudgetSeconds: seconds(0).default(300),
  tolerations: z.array(toleration, 'must be a list').default([]),
  priorityClassName: name.optional(),
  runtimeClassName: name.optional(),
  schedulerName: name.optional(),
  /** The account that the jobs run as; its token is never mounted. */
  serviceAccountName: name.optional(),
  gpuResource: z.string().regex(/^[a-z0-9.-]+\/[A-Za-z0-9_.-]+$/, 'must be like nvidia.com/gpu').default('nvidia.com/gpu'),
  /** From SIGTERM to SIGKILL. */
  terminationGracePeriodSeconds: seconds(1).default(10),
  /** A safety net, longer than the retention of records: after that the cluster deletes a finished job by itself. */
  ttlSecondsAfterFinished: seconds(DAY).default(30 * DAY),
  /** An image with `sh`: it looks, in each job before its own image, whether the directories are there. */
  checkImage: z.string().min(1, 'must be an image').optional(),
})

/** The options of a `kubernetes` driver, complete. */
export type KubernetesOptions = z.infer<typeof optionsSchema>

type Given = Pick<BackendContext, 'options' | 'storage'>

const STORAGES = ['kubernetes_pvc', 'host', 'nfs']

/** What is wrong with these settings, as `path: text`. */
export function problems({ options, storage }: Given): string[] {
  const { data, error } = optionsSchema.safeParse(options)
  const found = (error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `options.${key}: there is no such setting`)
      : [`options.${issue.path.map(String).join('.')}: ${issue.message}`],
  )
  if (data?.inCluster === false && data.namespace === undefined) {
    found.push('options.namespace: is needed, unless options.inCluster is true')
  }
  if (!STORAGES.includes(storage.type)) found.push(`storage.type: must be one of ${STORAGES.join(', ')}`)
  return found
}

/** Throws PmanError `config` with every problem. */
export function parseOptions(given: Given): KubernetesOptions {
  const found = problems(given)
  const { data } = optionsSchema.safeParse(given.options)
  if (data === undefined || found.length > 0) throw new PmanError('config', found.join('\n'))
  return data
}
