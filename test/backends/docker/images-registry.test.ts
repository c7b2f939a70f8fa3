import { dockerApi } from '../../../lib/engines/docker-api.ts'
import type { DockerApi } from '../../../lib/engines/docker-api.ts'
import { describeIf } from '../../support/skip.ts'
import { registryMissing } from '../../support/registry.ts'
import { pullsFromRegistries } from './images-on-registry.ts'

const socketPath = /^unix:\/\/(.+)$/.exec(process.env.DOCKER_HOST ?? '')?.[1]
const reason = socketPath === undefined ? 'DOCKER_HOST names no socket; npm run test:engines -- docker' : registryMissing()

describeIf(reason === undefined, reason ?? '', 'images of Docker, from real registries', () => {
  let api: DockerApi
  beforeAll(() => {
    api = dockerApi({ baseUrl: 'http://docker', socketPath })
  })
  afterAll(() => api.close())
  pullsFromRegistries(() => api, { sharesPulls: true, insists: false, keepsLayers: false })
})
