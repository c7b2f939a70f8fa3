import type { Metadata } from '../../engines/kubernetes-objects.ts'
import * as z from 'zod'
import type { EngineJob, OwnerLabels } from '../contract.ts'

export const DEPLOYMENT = 'pman-serverless/deployment'
export const ENGINE_NAME = 'pman-serverless/engine-name'
/** The whole owner as JSON, since a label cannot hold every jid. */
const OWNER = 'pman-serverless/owner'
/** What pman has on its jobs. */
const ORIGIN = { 'job-origin': 'pman' }

/** Set by the Job controller on a Job's pods (Kubernetes, "Well-Known Labels, Annotations and Taints"). */
export const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid'
export const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index'

const ownerSchema = z.strictObject({
  deployment: z.string(),
  compute: z.string(),
  jid: z.string(),
  generation: z.int(),
  specHash: z.string(),
})

/** Whose a Job and its pods are: labels for what can be selected by, annotations for what is not a label value. */
export function ownerMetadata({ engineName, owner, siteLabels }: EngineJob): Required<Pick<Metadata, 'labels' | 'annotations'>> {
  const own = {
    [DEPLOYMENT]: owner.deployment,
    'pman-serverless/compute': owner.compute,
    'pman-serverless/generation': String(owner.generation),
    [ENGINE_NAME]: engineName,
    'pman-serverless/spec-hash': owner.specHash,
  }
  const fitting = Object.entries(own).filter(([, value]) => isLabelValue(value))
  return {
    labels: { ...siteLabelsOf(siteLabels), ...ORIGIN, ...Object.fromEntries(fitting) },
    annotations: { 'pman-serverless/jid': owner.jid, [OWNER]: JSON.stringify(owner) },
  }
}

/** The owner that an object names; undefined if it names none. */
export function ownerOf({ annotations }: Metadata): OwnerLabels | undefined {
  try {
    return ownerSchema.safeParse(JSON.parse(annotations?.[OWNER] ?? '')).data
  } catch {
    return undefined
  }
}

/** Kubernetes, "Labels and Selectors", syntax and character set. */
export const isLabelValue = (text: string): boolean => /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/.test(text)
const KEY = /^(?:([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)\/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/
/** Of Kubernetes itself, of the Job controller, and this project's own. */
const RESERVED = /(^|\.)(kubernetes|k8s)\.io\/|^pman-serverless\/|^(controller-uid|job-name|job-origin)$/

/**
 * The site's labels, as far as the grammar goes: in a value, what has no place becomes `_`; a key that is none, or that is taken, is
 * left out.
 */
export function siteLabelsOf(labels: Readonly<Record<string, string>>): Record<string, string> {
  const fit = (value: string): string => value.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 63).replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
  return Object.fromEntries(
    Object.entries(labels)
      .filter(([key]) => KEY.test(key) && !RESERVED.test(key))
      .map(([key, value]) => [key, fit(value)]),
  )
}
