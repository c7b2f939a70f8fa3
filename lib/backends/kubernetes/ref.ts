import type { EngineRef } from '../contract.ts'

/** A Job's name, which may be another's tomorrow, and its uid, which never is. */
export interface JobId {
  name: string
  uid: string
}

const REF = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

export const refOf = ({ name, uid }: JobId): EngineRef => `${name}/${uid}`

/** undefined for a ref that these drivers never gave. */
export function parseRef(ref: EngineRef): JobId | undefined {
  const [, name, uid] = REF.exec(ref) ?? []
  return name === undefined || uid === undefined ? undefined : { name, uid }
}
