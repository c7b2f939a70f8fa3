import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { jest } from '@jest/globals'
import { dockerApi } from '../../../lib/engines/docker-api.ts'
import type { DockerApi } from '../../../lib/engines/docker-api.ts'
import { podmanBySocket, WITHOUT_PODMAN } from '../../contract/backend/podman-harness.ts'
import { registryMissing } from '../../support/registry.ts'
import { describeIf } from '../../support/skip.ts'
import { pullsFromRegistries } from '../docker/images-on-registry.ts'

jest.setTimeout(120_000)

const reason = podmanBySocket() === undefined ? WITHOUT_PODMAN : registryMissing()

// A service of the test's own: which registries speak plain HTTP is read from a file that is named in its environment.
describeIf(reason === undefined, reason ?? '', 'images of Podman, from real registries', () => {
  let directory: string
  let service: ChildProcess
  let api: DockerApi
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pman-podman-'))
    const [socket, registries] = [join(directory, 'podman.sock'), join(directory, 'registries.conf')]
    await writeFile(registries, '')
    const places = ['--root', join(directory, 'storage'), '--runroot', join(directory, 'run')]
    const env = { ...process.env, CONTAINERS_REGISTRIES_CONF: registries }
    service = spawn('podman', [...places, '--cgroup-manager=cgroupfs', 'system', 'service', '--time=0', `unix://${socket}`], { env, stdio: 'ignore' })
    while (!(await access(socket).then(() => true, () => false))) {
      if (service.exitCode !== null) throw new Error('podman does not start')
      await delay(50)
    }
    api = dockerApi({ baseUrl: 'http://podman', socketPath: socket })
  })
  afterAll(async () => {
    api.close()
    const exit = once(service, 'exit')
    if (service.exitCode === null && service.kill('SIGTERM')) await exit
    const unmount = spawn('umount', [join(directory, 'storage', 'overlay')], { stdio: 'ignore' })
    await once(unmount, 'exit')
    await rm(directory, { recursive: true, force: true })
  })
  const plain = (hosts: readonly string[]): Promise<void> =>
    writeFile(join(directory, 'registries.conf'), hosts.map((host) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`).join('\n'))
  pullsFromRegistries(() => api, { plain, sharesPulls: false, insists: true, keepsLayers: true })
})
