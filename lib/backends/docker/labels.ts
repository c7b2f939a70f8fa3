import * as z from 'zod'
import type { EngineJob, OwnerLabels } from '../contract.ts'

/** Whose label it is: no site's label begins like this and is heeded. */
const OURS = 'pman-serverless.'
const key = <T extends string>(name: T) => `${OURS}${name}` as const

export const LABEL = {
  deployment: key('deployment'),
  compute: key('compute'),
  jid: key('jid'),
  generation: key('generation'),
  specHash: key('spec-hash'),
  engineName: key('engine-name'),
  /** What of the request could not be kept to the letter, in words for the caller. */
  note: key('note'),
} as const

/** The labels of a job's object: the owner's, and before them the site's own, which cannot override them. */
export function labelsOf({ engineName, owner, siteLabels }: EngineJob, note: string | undefined): Record<string, string> {
  const site = Object.entries(siteLabels).filter(([name]) => !name.startsWith(OURS))
  return {
    ...Object.fromEntries(site),
    [LABEL.deployment]: owner.deployment,
    [LABEL.compute]: owner.compute,
    [LABEL.jid]: owner.jid,
    [LABEL.generation]: String(owner.generation),
    [LABEL.specHash]: owner.specHash,
    [LABEL.engineName]: engineName,
    ...(note === undefined ? {} : { [LABEL.note]: note }),
  }
}

const labelsSchema = z.object({
  [LABEL.deployment]: z.string(),
  [LABEL.compute]: z.string(),
  [LABEL.jid]: z.string(),
  [LABEL.generation]: z.string().regex(/^[1-9]\d{0,14}$/),
  [LABEL.specHash]: z.string(),
  [LABEL.engineName]: z.string().min(1),
  [LABEL.note]: z.string().optional(),
})

/** Whose object it is, by its labels; undefined: not one of this service. */
export interface Mark {
  engineName: string
  owner: OwnerLabels
  note: string | undefined
}

export function markOf(labels: unknown): Mark | undefined {
  const { data } = labelsSchema.safeParse(labels)
  return (
    data && {
      engineName: data[LABEL.engineName],
      note: data[LABEL.note],
      owner: {
        deployment: data[LABEL.deployment],
        compute: data[LABEL.compute],
        jid: data[LABEL.jid],
        generation: Number(data[LABEL.generation]),
        specHash: data[LABEL.specHash],
      },
    }
  )
}

/** Of whom a driver sees jobs. */
export type Owner = Pick<OwnerLabels, 'deployment' | 'compute'>

export const isOwn = ({ owner }: Mark, { deployment, compute }: Owner): boolean => owner.deployment === deployment && owner.compute === compute

/** The `filters` of a list (Engine API: label=key=value): a hint, since what comes back is compared again. */
export function labelFilter({ deployment, compute }: Owner, engineName?: string): string {
  const wanted = [`${LABEL.deployment}=${deployment}`, `${LABEL.compute}=${compute}`]
  return JSON.stringify({ label: engineName === undefined ? wanted : [...wanted, `${LABEL.engineName}=${engineName}`] })
}
