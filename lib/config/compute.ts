import * as z from 'zod'

import type { BackendType } from '../backends/index.ts'
import {
  absolutePath,
  isMapping,
  list,
  mapping,
  mustBe,
  oneOf,
  pairs,
  secretName,
  setting,
  text,
  user,
  wholeNumber,
  yesOrNo,
} from './settings.ts'

/** Every engine type that pman knew or this project plans; the ones with a driver are in `backends/index.ts`. */
const KNOWN_TYPES = ['docker', 'podman', 'swarm', 'kubernetes', 'openshift', 'cromwell', 'slurm', 'local']

const STORAGE_TYPES = ['host', 'docker_local_volume', 'kubernetes_pvc', 'nfs'] as const
export type StorageType = (typeof STORAGE_TYPES)[number]
const STORAGE_FIELDS = ['storebase', 'volume', 'nfsServer', 'pfconSelector'] as const

type StorageRules = Readonly<Partial<Record<(typeof STORAGE_FIELDS)[number], 'needed' | 'allowed'>>>

/** What each storage type must have and may have. */
const STORAGE: Readonly<Record<StorageType, StorageRules>> = {
  host: { storebase: 'needed' },
  // The volume may be found by pfcon's container instead.
  docker_local_volume: { volume: 'allowed', pfconSelector: 'allowed' },
  kubernetes_pvc: { volume: 'needed' },
  nfs: { storebase: 'needed', nfsServer: 'needed' },
}

/** pman v6.3.1 looked for pfcon's container by this label. */
const PFCON_SELECTOR = 'org.chrisproject.role=pfcon'

const storageSchema = z
  .strictObject({
    type: oneOf(STORAGE_TYPES),
    /** The directory of all jobs' data: on the engine's host, or the exported path. */
    storebase: absolutePath.optional(),
    /** A Docker or Podman volume, or a PersistentVolumeClaim. */
    volume: text.optional(),
    nfsServer: text.optional(),
    /** Label of the container whose mount at /var/local/storeBase is the volume. */
    pfconSelector: text.optional(),
  })
  .superRefine(
    (storage, context) => {
      const rules = rulesOf(storage.type)
      if (!rules) return
      for (const field of STORAGE_FIELDS) {
        const wrong = misplaced(rules[field], storage[field] !== undefined)
        if (wrong) context.addIssue({ code: 'custom', path: [field], message: `${wrong} storage type ${storage.type}` })
      }
    },
    // Even if a field's own value is wrong: all problems are told at once.
    { when: ({ value }) => isMapping(value) },
  )
  .transform((storage) =>
    storage.type === 'docker_local_volume' && storage.volume === undefined ? { pfconSelector: PFCON_SELECTOR, ...storage } : storage,
  )
export type StorageConfig = Readonly<z.infer<typeof storageSchema>>

function misplaced(rule: 'needed' | 'allowed' | undefined, present: boolean): string | undefined {
  if (present) return rule ? undefined : 'has no place with'
  return rule === 'needed' ? 'is needed with' : undefined
}

function rulesOf(type: unknown): StorageRules | undefined {
  const known = STORAGE_TYPES.find((one) => one === type)
  return known && STORAGE[known]
}

/** May a storage of this type have this field? One of an unknown type may have all: its type is the problem. */
export function storageTakes(type: unknown, field: string): boolean {
  const rules = rulesOf(type)
  return rules === undefined || Object.keys(rules).includes(field)
}

/** What is meant where no storage type is given: pman v6.3.1 on Docker, v4 elsewhere. */
export function defaultStorageType(type: unknown): StorageType {
  return type === 'docker' || type === 'podman' ? 'docker_local_volume' : 'host'
}

const limit = wholeNumber(0, 1_000_000_000).default(0)

const fields = {
  storage: storageSchema,
  /** The name of the secret with the engine's credentials. */
  credentials: secretName.optional(),
  user: user.optional(),
  /** HOME=/tmp in the job. */
  homeWorkaround: yesOrNo.default(false),
  shmSizeMiB: wholeNumber(1, 16_777_216).optional(),
  /** On every engine object, where the engine has labels. */
  labels: pairs.default({}),
  /** Lines of log in a status answer. */
  logsTail: wholeNumber(0, 1_000_000).default(1_000),
  ignoreLimits: yesOrNo.default(false),
  /** False: DELETE keeps the engine's object. */
  removeJobs: yesOrNo.default(true),
  timeLimitMinutes: wholeNumber(1, 525_600).optional(),
  /** For jobs that ask for none. Thousandths of a CPU; MiB; count; 0: no limit. */
  defaults: z.strictObject({ cpuLimit: limit, memoryLimit: limit, gpuLimit: limit }).prefault({}),
  /** Absent: every image. */
  imageAllowList: list.optional(),
  /** The driver's own settings, which it checks itself. */
  options: mapping.default({}),
}

function typeOf(drivers: readonly BackendType[]) {
  const names = drivers.join(', ')
  return setting(
    `one of ${names}`,
    (value) => drivers.find((driver) => driver === value),
    (what, value) => {
      const known = KNOWN_TYPES.find((type) => type === value)
      return known ? `${known} has no driver in this release, which has: ${names}` : mustBe(what, value)
    },
    `is missing; it names the engine, one of ${names}`,
  )
}

/** The one schema of a compute, whether it comes from computes.yml or from pman's variables. */
export function computeSchema(drivers: readonly BackendType[]) {
  return z.strictObject({ type: typeOf(drivers), ...fields })
}

/** One configured engine; deeply frozen. */
export type ComputeConfig = Readonly<z.infer<ReturnType<typeof computeSchema>>> & { readonly name: string }

/** The parts of a raw compute that its driver checks: problems elsewhere do not hide problems here. */
export function driverSlice(raw: unknown): { storage: StorageConfig | undefined; options: Record<string, unknown> } | undefined {
  if (!isMapping(raw)) return undefined
  const storage = storageSchema.safeParse(raw.storage)
  const options = fields.options.safeParse(raw.options)
  return options.success ? { storage: storage.data, options: options.data } : undefined
}

const RESERVED = ['api', 'console', 'default']

/** What is wrong with the name of a compute; it is a part of paths and of keys in the table. */
export function nameProblem(name: string): string | undefined {
  if (!/^[a-z0-9-]{1,32}$/.test(name)) return 'a compute has a name of 1 to 32 characters a-z, 0-9 and -'
  return RESERVED.includes(name) ? `the name is taken: ${RESERVED.join(', ')} have a meaning of their own` : undefined
}
