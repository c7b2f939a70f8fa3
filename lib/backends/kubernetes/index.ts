import type { BackendModule } from '../contract.ts'
import { openDriver, supports } from './driver.ts'
import { runAsUser } from './manifest.ts'
import { parseOptions, problems } from './options.ts'

/** Jobs on a Kubernetes cluster, 1.29 or newer, from inside or outside of it. */
export const kubernetes: BackendModule = {
  supports,
  problems,
  open: (context) => openDriver(context, parseOptions(context), { userContext: runAsUser, flavoured: (verdict) => verdict }),
}
