import { dockerApi } from '../../../lib/engines/docker-api.ts'
import { describeIf } from '../../support/skip.ts'
import { mountsItsStorage } from './storage-on-engine.ts'
import type { StorageEngine } from './storage-on-engine.ts'

const { DOCKER_HOST = '', DOCKER_TEST_IMAGE: image = '' } = process.env
const socketPath = /^unix:\/\/(.+)$/.exec(DOCKER_HOST)?.[1]
const reason = 'DOCKER_HOST and DOCKER_TEST_IMAGE are not set; npm run test:engines -- docker'

describeIf(socketPath !== undefined && image !== '', reason, 'storage on Docker', () => {
  let engine: StorageEngine
  beforeAll(() => {
    const api = dockerApi({ baseUrl: 'http://docker', socketPath })
    engine = {
      api,
      image,
      async create(script, mounts, labels) {
        const body = { Image: image, Entrypoint: ['sh', '-c', script], Cmd: [], Labels: labels, HostConfig: { Mounts: mounts, NetworkMode: 'none' } }
        const { json } = await api.call({ method: 'POST', path: '/containers/create', body, signal: new AbortController().signal })
        return (json as { Id: string }).Id
      },
    }
  })
  afterAll(() => engine.api.close())
  mountsItsStorage(() => engine)
})
