import { createHash } from 'node:crypto'
import type { EngineRef } from '../contract.ts'

/** Of this project alone: what the ids of its workflows are made in. */
const NAMESPACE = '9c1f3c5e-6a0d-4d0e-9a7b-2f5f3f6f1d84'

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const REF = new RegExp(`^(?:([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\\.)?(${UUID})$`)

/** A workflow that a ref names: ours by its engine name too, one of pman's own by its id alone. */
export interface Named {
  ref: EngineRef
  id: string
  engineName?: string | undefined
}

/** The id that a workflow asks for, where Cromwell lets it: a UUIDv5 of the engine name, in the deployment's own namespace. */
export const workflowId = (deployment: string, engineName: string): string => uuid5(uuid5(NAMESPACE, deployment), engineName)

export const refOf = (engineName: string, id: string): EngineRef => `${engineName}.${id}`

/** undefined: this driver never gave such a ref. */
export function parseRef(ref: EngineRef): Named | undefined {
  const [, engineName, id] = REF.exec(ref) ?? []
  return id === undefined ? undefined : { ref, id, engineName }
}

/** Only this deployment makes this id of this name, so the workflow is its own, whether Cromwell shows it yet or not. */
export const isOwnId = ({ id, engineName }: Named, deployment: string): boolean =>
  engineName !== undefined && id === workflowId(deployment, engineName)

/** RFC 9562, section 5.5. */
export function uuid5(namespace: string, name: string): string {
  const digest = createHash('sha1').update(Buffer.from(namespace.replaceAll('-', ''), 'hex')).update(name).digest().subarray(0, 16)
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6)
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = digest.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
