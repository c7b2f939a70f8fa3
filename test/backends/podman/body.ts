import type { ContainerBody } from '../../../lib/backends/docker/body.ts'
import type { DockerMount } from '../../../lib/backends/docker/types.ts'

/** The least that a container is made from. */
export const body = (image: string, mounts: readonly DockerMount[] = []): ContainerBody => ({
  Image: image,
  Entrypoint: ['sh'],
  Cmd: ['-c', 'exit 0'],
  Env: [],
  Labels: {},
  Healthcheck: { Test: ['NONE'] },
  Tty: false,
  OpenStdin: false,
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  HostConfig: {
    Mounts: mounts,
    PidsLimit: 4096,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    Privileged: false,
    IpcMode: 'private',
    RestartPolicy: { Name: 'no' },
    AutoRemove: false,
    LogConfig: { Type: 'k8s-file', Config: { 'max-size': '64m' } },
  },
})
