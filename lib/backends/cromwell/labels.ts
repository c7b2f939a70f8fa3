import type { EngineJob, OwnerLabels } from '../contract.ts'

/**
 * Keys of labels. Cromwell takes 1 to 255 characters for a key, 0 to 255 for a value (`Label`); ASCII alone, since a database with
 * three-byte characters loses everything that comes with a four-byte one.
 */
export const LABEL = {
  engineName: 'org.chrisproject.pman.engine-name',
  deployment: 'org.chrisproject.pman.deployment',
  compute: 'org.chrisproject.pman.compute',
  generation: 'org.chrisproject.pman.generation',
  specHash: 'org.chrisproject.pman.spec-hash',
  /** pman v4 to v6.3.1 had this label alone, with the jid as it is. Ours is encoded, and goes on under `….name.2` and so on. */
  jid: 'org.chrisproject.pman.name',
  /** Removed: Cromwell has no way to delete a workflow. */
  deleted: 'org.chrisproject.pman.deleted',
  /** Aborted before it ran, whatever the summary says. */
  withdrawn: 'org.chrisproject.pman.withdrawn',
} as const
export const YES = 'yes'

const MOST = 255
const OWN = 'org.chrisproject.pman.'

export type Labels = Readonly<Record<string, string>>

/** The labels of a new workflow; the site's own never take the place of ours. */
export function labelsOf({ engineName, owner, siteLabels }: EngineJob): Labels {
  const site = Object.entries(siteLabels)
    .map(([key, value]) => [encode(key, KEY).slice(0, MOST), encode(value).slice(0, MOST)] as const)
    .filter(([key]) => key !== '' && !key.startsWith(OWN))
  const jid = chunks(encode(owner.jid)).map((chunk, index) => [jidKey(index), chunk] as const)
  return {
    ...Object.fromEntries(site),
    ...Object.fromEntries(jid),
    [LABEL.engineName]: engineName,
    [LABEL.deployment]: encode(owner.deployment),
    [LABEL.compute]: owner.compute,
    [LABEL.generation]: String(owner.generation),
    [LABEL.specHash]: owner.specHash,
  }
}

/** Whose a workflow is: ours or another deployment's, pman's own of old, or nobody's, whose labels may not be there yet. */
export type Owner =
  | { kind: 'labelled'; engineName: string; owner: OwnerLabels }
  | { kind: 'pman'; jid: string }
  | { kind: 'unlabelled' }

/** Reads the labels back. Cromwell's database may not tell case and accents apart in a query: compare what comes back. */
export function ownerOf(labels: Labels): Owner {
  const { [LABEL.engineName]: engineName, [LABEL.deployment]: deployment, [LABEL.compute]: compute, [LABEL.specHash]: specHash } = labels
  const { [LABEL.generation]: generation = '', [LABEL.jid]: jid } = labels
  if (engineName === undefined && deployment === undefined && jid !== undefined) return { kind: 'pman', jid }
  if (engineName === undefined || deployment === undefined || compute === undefined || specHash === undefined) return { kind: 'unlabelled' }
  if (jid === undefined || !/^[1-9][0-9]{0,8}$/.test(generation)) return { kind: 'unlabelled' }
  const owner = { deployment: decode(deployment), compute, jid: decode(wholeJid(labels)), generation: Number(generation), specHash }
  return { kind: 'labelled', engineName, owner }
}

/** The labels of an answer, without those that Cromwell has nested. */
export const plainLabels = (labels: Readonly<Record<string, unknown>> = {}): Labels =>
  Object.fromEntries(Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))

/** A deployment's id as it stands in its label. */
export const deploymentLabel = (deployment: string): string => encode(deployment)

const jidKey = (index: number): string => (index === 0 ? LABEL.jid : `${LABEL.jid}.${index + 1}`)

function wholeJid(labels: Labels): string {
  const parts: string[] = []
  for (let part = labels[LABEL.jid]; part !== undefined; part = labels[jidKey(parts.length)]) parts.push(part)
  return parts.join('')
}

function chunks(text: string): string[] {
  return Array.from({ length: Math.max(1, Math.ceil(text.length / MOST)) }, (_, index) => text.slice(index * MOST, (index + 1) * MOST))
}

const VALUE = /[\x21-\x24\x26-\x7e]/
const KEY = /[A-Za-z0-9._/-]/

/** What is not allowed as it is, as `%` and two digits for each byte. */
function encode(text: string, allowed = VALUE): string {
  return Array.from(Buffer.from(text), (byte) => {
    const character = String.fromCharCode(byte)
    return allowed.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`
  }).join('')
}

function decode(text: string): string {
  const bytes = Array.from(text.matchAll(/%([0-9a-f]{2})|([^])/g), ([, hex, character = '']) =>
    hex === undefined ? character.charCodeAt(0) : Number.parseInt(hex, 16),
  )
  return Buffer.from(bytes).toString()
}
