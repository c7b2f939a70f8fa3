import type { DockerRefusal } from '../../engines/docker-api.ts'
import type { Flavour } from '../docker/flavour.ts'
import { keeperOf, requireLimits } from './limits.ts'
import { podmanSpec } from './spec.ts'

/**
 * What Podman says of a create that it will refuse again; its status is 500 for everything (containers/podman v4: pkg/specgen/generate,
 * libpod/options.go, and Go's syscall errors of a mount's directory). A name that is taken is not among them: the job's own earlier create may have it.
 */
const AT_FAULT: readonly RegExp[] = [
  /^statfs /,
  /^stat(fs)? .*(no such file|not a directory|permission denied|name too long|too many levels)/,
  /cfs (quota|period)|minimum memory|memory(swap)? limit/i,
  /unknown capability|network not found|container-init binary not found|must pass an absolute path|invalid container path|duplicate mount/i,
]

/** Podman as Docker with deltas: it is asked by its own API for containers, and by the compatible one for all else. */
export const podmanFlavour: Flavour = {
  creation: (name, body) => ({ path: '/libpod/containers/create', body: podmanSpec(name, body) }),
  requireLimits: async (job, api, signal) => {
    if (job.limits.cpu > 0 || job.limits.memory > 0) requireLimits(job, await keeperOf(api, signal))
  },
  // Until 4.7 it leaves out a last line without its end, and parts of long lines (github.com/containers/podman/issues/19545).
  canTail: false,
  // Before 5.0 it looks for conmon's word in the wrong place (github.com/containers/podman/issues/13102).
  tellsOutOfMemory: ({ version }) => Number.parseInt(version, 10) >= 5,
  lacksImage: ({ message }: DockerRefusal) => /image not known|no such image/i.test(message),
  isAtFault: ({ message }) => AT_FAULT.some((words) => words.test(message)),
}
