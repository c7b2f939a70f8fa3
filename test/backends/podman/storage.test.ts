import type { ContainerBody } from '../../../lib/backends/docker/body.ts'
import { podmanSpec } from '../../../lib/backends/podman/spec.ts'
import { podmanBySocket, WITHOUT_PODMAN } from '../../contract/backend/podman-harness.ts'
import { describeIf } from '../../support/skip.ts'
import { mountsItsStorage } from '../docker/storage-on-engine.ts'
import type { StorageEngine } from '../docker/storage-on-engine.ts'
import { body } from './body.ts'

const reach = podmanBySocket()

describeIf(reach !== undefined, WITHOUT_PODMAN, 'storage on Podman', () => {
  const engine = (): StorageEngine => {
    if (reach === undefined) throw new Error(WITHOUT_PODMAN)
    const api = reach.api()
    return {
      api,
      image: reach.image,
      async create(script, mounts, labels = {}) {
        // A volume as a whole, which the driver never asks for: pfcon's container has it.
        const whole = mounts.filter(({ Type }) => Type === 'volume')
        const rest = mounts.filter((mount) => !whole.includes(mount))
        const made: ContainerBody = { ...body(reach.image, rest), Cmd: ['-c', script], Labels: labels }
        const volumes = whole.map(({ Source, Target }) => ({ Name: Source, Dest: Target }))
        const sent = { ...podmanSpec('', made), volumes }
        const { json } = await api.call({ method: 'POST', path: '/libpod/containers/create', body: sent, signal: AbortSignal.timeout(30_000) })
        return (json as { Id: string }).Id
      },
    }
  }
  mountsItsStorage(engine)
})
