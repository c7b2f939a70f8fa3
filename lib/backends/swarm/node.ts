/** The node that is spoken to: a Docker Engine like any other, which has containers of its own, and a manager of its swarm. */
import * as z from 'zod'
import { DockerRefusal } from '../../engines/docker-api.ts'
import type { DockerApi } from '../../engines/docker-api.ts'
import { PmanError } from '../../errors.ts'

/** Docker Engine API 1.41, SystemInfo. */
const infoSchema = z.object({
  Swarm: z
    .object({
      NodeID: z.string().optional(),
      LocalNodeState: z.string().optional(),
      ControlAvailable: z.boolean().optional(),
      Nodes: z.int().optional(),
    })
    .optional(),
})

async function swarmOf(api: DockerApi, signal: AbortSignal) {
  const { json } = await api.call({ method: 'GET', path: '/info', signal })
  return infoSchema.safeParse(json).data?.Swarm
}

/** The engine's version and the size of its swarm. Throws PmanError `engine_unavailable` if it is no manager of a swarm. */
export async function readiness(api: DockerApi, signal: AbortSignal): Promise<string> {
  const { version, api: spoken } = await api.ping(signal)
  const swarm = await swarmOf(api, signal)
  const state = swarm?.LocalNodeState ?? 'unknown'
  if (state !== 'active') {
    throw new PmanError('engine_unavailable', `this engine is not part of a swarm (its state is ${state}): docker swarm init`)
  }
  if (swarm?.ControlAvailable !== true) throw new PmanError('engine_unavailable', 'this engine is a worker of its swarm: name a manager')
  return `Docker ${version}, API ${spoken}, nodes: ${swarm.Nodes ?? 1}`
}

/** The id of the node. */
export const nodeOf = async (api: DockerApi, signal: AbortSignal): Promise<string | undefined> => (await swarmOf(api, signal))?.NodeID

const containerSchema = z.object({ State: z.object({ OOMKilled: z.boolean().optional() }) })

/** A container of this node; undefined if it has none of this id, as of all that other nodes have. */
async function containerOf(api: DockerApi, id: string, signal: AbortSignal) {
  if (!/^[0-9a-f]{64}$/.test(id)) return undefined
  try {
    const { json } = await api.call({ method: 'GET', path: `/containers/${id}/json`, signal })
    return containerSchema.parse(json)
  } catch (error) {
    if (error instanceof DockerRefusal && error.status === 404) return undefined
    throw error
  }
}

export const hasContainer = async (api: DockerApi, id: string, signal: AbortSignal): Promise<boolean> =>
  (await containerOf(api, id, signal)) !== undefined

/** Tasks do not tell whether memory had run out. Of another node's container it is not known: false. */
export const ranOutOfMemory = async (api: DockerApi, id: string, signal: AbortSignal): Promise<boolean> =>
  (await containerOf(api, id, signal))?.State.OOMKilled === true
