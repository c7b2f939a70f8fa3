import { join } from 'node:path'
import * as z from 'zod'
import type { Environment } from '../../lib/config.ts'
import { valueOf } from '../../lib/config/environment.ts'
import { dockerApi } from '../../lib/engines/docker-api.ts'

/** A Docker or Podman on this machine. */
export interface ContainerEngine {
  type: 'docker' | 'podman'
  /** `unix:///path/of/its.sock` */
  host: string
  /** Its root is the person who runs it. */
  rootless: boolean
}

/** How long one of them may take to say that it is there, in ms. */
const ANSWER_WITHIN = 2000

const infoSchema = z.object({ SecurityOptions: z.array(z.string()).nullish() })

/** Where a Docker or Podman of this machine usually listens; first of all where the environment says. */
export function usualSockets(env: Environment): string[] {
  const named = valueOf(env, 'DOCKER_HOST')
  const home = valueOf(env, 'HOME')
  const runtime = valueOf(env, 'XDG_RUNTIME_DIR')
  return [
    ...(named?.startsWith('unix://') === true ? [named.slice('unix://'.length)] : []),
    '/var/run/docker.sock',
    ...(home === undefined ? [] : [join(home, '.docker/run/docker.sock')]),
    ...(runtime === undefined ? [] : [join(runtime, 'docker.sock'), join(runtime, 'podman/podman.sock')]),
    '/run/podman/podman.sock',
  ]
}

/** The first of these sockets that answers as a Docker or a Podman would; undefined: none of them does. */
export async function findContainerEngine(sockets: readonly string[]): Promise<ContainerEngine | undefined> {
  for (const socket of sockets) {
    const found = await asked(socket).catch(() => undefined)
    if (found !== undefined) return found
  }
  return undefined
}

async function asked(socketPath: string): Promise<ContainerEngine> {
  const api = dockerApi({ baseUrl: 'http://localhost', socketPath })
  const signal = AbortSignal.timeout(ANSWER_WITHIN)
  try {
    const { product } = await api.ping(signal)
    const { json } = await api.call({ method: 'GET', path: '/info', signal })
    const { SecurityOptions } = infoSchema.parse(json)
    const rootless = SecurityOptions?.some((option) => option.split(',').includes('name=rootless')) ?? false
    return { type: product, host: `unix://${socketPath}`, rootless }
  } finally {
    api.close()
  }
}
