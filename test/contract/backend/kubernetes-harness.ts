import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { BackendModule } from '../../../lib/backends/contract.ts'
import { ENGINES } from '../../engines/table.ts'
import type { BackendHarness } from './harness.ts'

/** A variable that tells how to reach the cluster; test/engines.ts sets them. */
export function clusterVariable(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set`)
  return value
}

/** The secret of a compute whose gateway is the service account of this token. */
export async function clusterSecret(tokenFile = clusterVariable('KUBE_TOKEN_FILE')): Promise<string> {
  const [ca, token] = await Promise.all([readFile(clusterVariable('KUBE_CA_FILE'), 'utf8'), readFile(tokenFile, 'utf8')])
  return JSON.stringify({ ca, token: token.trim() })
}

/** Why a suite of the cluster cannot run; undefined: it can. */
export function clusterIsMissing(): string | undefined {
  const known = (ENGINES.kubernetes?.needs ?? []).every((name) => process.env[name])
  return known ? undefined : 'no cluster: npm run test:engines -- kubernetes openshift'
}

const run = promisify(execFile)

/** kubectl as the cluster's administrator, for what is not the driver's to do. */
export async function kubectl(...words: readonly string[]): Promise<string> {
  return (await run(clusterVariable('KUBECTL'), ['--kubeconfig', clusterVariable('KUBECONFIG'), ...words])).stdout
}

/** Kills the first process of a job's container from its node. */
async function killContainer(namespace: string, ref: string): Promise<void> {
  const selector = `batch.kubernetes.io/controller-uid=${ref.split('/')[1] ?? ''}`
  const path = 'jsonpath={.items[0].status.containerStatuses[0].containerID}'
  const id = () => kubectl('-n', namespace, 'get', 'pods', '-l', selector, '-o', path)
  // The kubelet tells of a container a little later than the container itself.
  let known = await id()
  for (const until = Date.now() + 10_000; known === '' && Date.now() < until; known = await id()) await delay(200)
  const tasks = ['-a', clusterVariable('KUBE_CONTAINERD_SOCK'), '-n', 'k8s.io', 'tasks']
  await run('ctr', [...tasks, 'kill', '-s', 'SIGKILL', known.replace('containerd://', '')])
}

/** A driver on the real cluster, under the service account's own token, with the claim of one namespace as storebase. */
export function clusterHarness(module: BackendModule, namespaceVariable: string, supports = module.supports): BackendHarness {
  return {
    supports,
    readOnlyInputs: true,
    seesDirectories: false,
    patience: 30_000,
    watch: 3_000,
    async setUp() {
      const secret = await clusterSecret()
      const open = (deployment: string, server: string) =>
        module.open({
          compute: 'contract',
          deployment,
          storage: { type: 'kubernetes_pvc', volume: clusterVariable('KUBE_PVC') },
          host: 'lambda',
          options: { server, namespace: clusterVariable(namespaceVariable), terminationGracePeriodSeconds: 1 },
          credentials: async () => secret,
        })
      return {
        image: clusterVariable('KUBE_TEST_IMAGE'),
        storebase: clusterVariable('KUBE_STOREBASE'),
        open: (deployment) => open(deployment, clusterVariable('KUBE_SERVER')),
        openUnreachable: () => open('contract', 'https://127.0.0.1:1'),
        kill: (ref) => killContainer(clusterVariable(namespaceVariable), ref),
        tearDown: async () => undefined,
      }
    },
  }
}
