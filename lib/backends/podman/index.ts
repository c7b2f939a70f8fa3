import type { BackendContext, BackendModule } from '../contract.ts'
import { docker } from '../docker/index.ts'

/** Where a Podman service of root's listens (podman-system-service(1)); one of a user's is at `$XDG_RUNTIME_DIR/podman/podman.sock`. */
const SOCKET = 'unix:///run/podman/podman.sock'

const withSocket = (options: BackendContext['options']): BackendContext['options'] => ({ host: SOCKET, ...options })

/**
 * Jobs as containers of Podman: the driver `docker`, which knows a Podman by what it answers and then speaks as `flavour.ts` says. The engine of
 * a compute of the type docker may be a Podman too.
 */
export const podman: BackendModule = {
  supports: docker.supports,
  problems: ({ options, storage }) => docker.problems({ options: withSocket(options), storage }),
  open: (context) => docker.open({ ...context, options: withSocket(context.options) }),
}
