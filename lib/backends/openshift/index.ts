import type { BackendContext, BackendModule } from '../contract.ts'
import { openDriver, supports } from '../kubernetes/driver.ts'
import type { UserContext } from '../kubernetes/manifest.ts'
import * as onKubernetes from '../kubernetes/options.ts'
import type { Verdict } from '../kubernetes/pods.ts'

/** Only what the site has asked for: the project's range fills in the rest, the group of the volumes among it. */
const userContext: UserContext = (user) => (user === undefined ? {} : { runAsUser: user.uid, runAsGroup: user.gid })

/** The constraints' own words, after whose setting it is that they refuse. */
function flavoured({ reason, message }: Verdict): Verdict {
  return { reason, message: reason === 'UserRefused' ? `CONTAINER_USER is outside of what the project allows: ${message}` : message }
}

/**
 * Jobs in a project of an OpenShift cluster: Kubernetes, where the security context constraints say who a job's processes are (OpenShift,
 * "Managing security context constraints"; restricted-v2 gives every project a range of its own).
 */
export const openshift: BackendModule = {
  supports,
  problems,
  open: (context) => openDriver(context, onKubernetes.parseOptions({ ...context, ...asNamespace(context) }), { userContext, flavoured }),
}

type Given = Pick<BackendContext, 'options' | 'storage'>

function problems(given: Given): string[] {
  return onKubernetes.problems({ ...given, ...asNamespace(given) })
}

/** A project is a namespace. Where both words are given, the second is left for the options' schema to refuse. */
function asNamespace({ options }: Pick<Given, 'options'>): Pick<Given, 'options'> {
  const { project, namespace, ...rest } = options
  return project === undefined || namespace !== undefined ? { options } : { options: { ...rest, namespace: project } }
}
