import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'

/** Variables that tell how to reach an engine. */
export type Variables = Readonly<Record<string, string>>

/** A real engine that suites can run on. */
export interface Engine {
  /** What must be known to reach it, in the engine's file or in the environment. */
  needs: readonly string[]
  /** Throws unless it answers. */
  probe(variables: Variables): Promise<void>
  /** Test files, as jest matches them. */
  suites: readonly string[]
  /** The jest projects that have them; `unit` without it. */
  projects?: readonly string[]
  /** Another engine that it stands on, whose file has some of what it needs. */
  on?: string
}

/** How long an engine may take to answer, in ms. */
const ANSWER_WITHIN = 5000

/** Any answer will do: what it says is for the suites to judge. */
async function answersHttp(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN) })
  await response.arrayBuffer()
}

/** The same by a unix socket, `unix:///path`. */
async function answersSocket(url: string): Promise<void> {
  const question = get({ socketPath: url.replace(/^unix:\/\//, ''), path: '/_ping', signal: AbortSignal.timeout(ANSWER_WITHIN) })
  const [response] = (await once(question, 'response')) as [IncomingMessage]
  response.resume()
}

const AWS_ENDPOINTS = ['AWS_ENDPOINT_URL_DYNAMODB', 'AWS_ENDPOINT_URL_SECRETS_MANAGER']

/** By an administrator's kubectl, with which the suites do what is not the driver's to do. */
async function answersKubernetes({ KUBECTL = '', KUBECONFIG = '' }: Variables): Promise<void> {
  await promisify(execFile)(KUBECTL, ['--kubeconfig', KUBECONFIG, 'get', '--raw', '/readyz'], { timeout: ANSWER_WITHIN })
}

const KUBERNETES = [
  ...['KUBE_SERVER', 'KUBE_CA_FILE', 'KUBE_TOKEN_FILE', 'KUBE_NORIGHTS_TOKEN_FILE', 'KUBECONFIG', 'KUBECTL', 'KUBE_CONTAINERD_SOCK'],
  ...['KUBE_NAMESPACE', 'KUBE_NAMESPACE_RESTRICTED', 'KUBE_NAMESPACE_QUOTA', 'KUBE_NAMESPACE_OPENSHIFT'],
  ...['KUBE_PVC', 'KUBE_STOREBASE', 'KUBE_TEST_IMAGE'],
]

/** The engines that are known by name. */
export const ENGINES: Readonly<Record<string, Engine>> = {
  aws: {
    needs: [...AWS_ENDPOINTS, 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
    probe: async (variables) => {
      await Promise.all(AWS_ENDPOINTS.map((name) => answersHttp(variables[name] ?? '')))
    },
    suites: ['test/contract/store/', 'test/secrets'],
  },
  lambda: {
    needs: ['HTTP_API_URL', 'LAMBDA_STANDIN_URL', ...AWS_ENDPOINTS, 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
    on: 'aws',
    probe: (variables) => answersHttp(variables.HTTP_API_URL ?? ''),
    suites: ['test/lambda/'],
    projects: ['lambda'],
  },
  cromwell: {
    needs: ['CROMWELL_URL', 'CROMWELL_STANDIN_URL', 'CROMWELL_DIR'],
    // Jobs go to SLURM too, where it is there.
    on: 'slurm',
    probe: (variables) => answersHttp(`${variables.CROMWELL_URL ?? ''}/engine/v1/status`),
    suites: ['test/contract/backend/cromwell', 'test/backends/cromwell/'],
  },
  'cromwell-chaos': {
    needs: ['CROMWELL_URL', 'CROMWELL_STANDIN_URL', 'CROMWELL_DIR'],
    on: 'cromwell',
    probe: (variables) => answersHttp(`${variables.CROMWELL_URL ?? ''}/engine/v1/status`),
    suites: ['test/chaos/engines/cromwell'],
    projects: ['chaos'],
  },
  docker: {
    needs: ['DOCKER_HOST', 'DOCKER_TEST_IMAGE', 'DOCKER_TLS_HOST', 'DOCKER_TLS_CA', 'DOCKER_TLS_CERT', 'DOCKER_TLS_KEY'],
    probe: (variables) => answersSocket(variables.DOCKER_HOST ?? ''),
    suites: ['test/contract/backend/docker.test.ts', 'test/backends/docker/', 'test/settings/', 'test/e2e/containers.test.ts'],
    projects: ['unit', 'e2e'],
  },
  'docker-chaos': {
    needs: ['DOCKER_HOST', 'DOCKER_TEST_IMAGE', 'DOCKER_TLS_HOST', 'DOCKER_TLS_CA', 'DOCKER_TLS_CERT', 'DOCKER_TLS_KEY'],
    on: 'docker',
    probe: (variables) => answersSocket(variables.DOCKER_HOST ?? ''),
    suites: ['test/chaos/engines/docker'],
    projects: ['chaos'],
  },
  kubernetes: {
    needs: KUBERNETES,
    on: 'kube',
    probe: answersKubernetes,
    suites: ['test/contract/backend/kubernetes.test.ts', 'test/backends/kubernetes/(?!restart)'],
  },
  /** Restarts the API server and the kubelet, so nothing else may use the cluster meanwhile. */
  'kubernetes-restart': {
    needs: KUBERNETES,
    on: 'kube',
    probe: answersKubernetes,
    suites: ['test/backends/kubernetes/restart.test.ts'],
  },
  openshift: {
    needs: KUBERNETES,
    on: 'kube',
    probe: answersKubernetes,
    suites: ['test/contract/backend/openshift.test.ts', 'test/backends/openshift/'],
  },
  'kubernetes-chaos': {
    needs: KUBERNETES,
    on: 'kube',
    probe: answersKubernetes,
    suites: ['test/chaos/engines/kubernetes'],
    projects: ['chaos'],
  },
  local: { needs: [], probe: async () => undefined, suites: ['test/contract/backend/local.test.ts'] },
  podman: {
    needs: ['PODMAN_HOST', 'PODMAN_TEST_IMAGE'],
    probe: (variables) => answersSocket(variables.PODMAN_HOST ?? ''),
    suites: ['test/contract/backend/podman.test.ts', 'test/backends/podman/', 'test/settings/', 'test/e2e/containers.test.ts'],
    projects: ['unit', 'e2e'],
  },
  'podman-chaos': {
    needs: ['PODMAN_HOST', 'PODMAN_TEST_IMAGE'],
    on: 'podman',
    probe: (variables) => answersSocket(variables.PODMAN_HOST ?? ''),
    suites: ['test/chaos/engines/podman'],
    projects: ['chaos'],
  },
  slurm: {
    needs: ['SLURM_REST_URL', 'SLURM_USER_NAME', 'SLURM_USER_TOKEN', 'SLURM_CONF'],
    probe: (variables) => answersHttp(variables.SLURM_REST_URL ?? ''),
    suites: ['test/contract/backend/slurm.test.ts', 'test/backends/slurm/(?!restart)'],
  },
  'slurm-chaos': {
    needs: ['SLURM_REST_URL', 'SLURM_USER_NAME', 'SLURM_USER_TOKEN', 'SLURM_CONF'],
    on: 'slurm',
    probe: (variables) => answersHttp(variables.SLURM_REST_URL ?? ''),
    suites: ['test/chaos/engines/slurm'],
    projects: ['chaos'],
  },
  /** Restarts the controller, so nothing else may use the cluster meanwhile. */
  'slurm-restart': {
    needs: ['SLURM_REST_URL', 'SLURM_USER_NAME', 'SLURM_USER_TOKEN', 'SLURM_CONF'],
    on: 'slurm',
    probe: (variables) => answersHttp(variables.SLURM_REST_URL ?? ''),
    suites: ['test/backends/slurm/restart.test.ts'],
  },
  swarm: {
    needs: ['DOCKER_HOST', 'DOCKER_TEST_IMAGE'],
    on: 'docker',
    probe: (variables) => answersSocket(variables.DOCKER_HOST ?? ''),
    suites: ['test/contract/backend/swarm.test.ts', 'test/backends/swarm/', 'test/settings/', 'test/e2e/containers.test.ts'],
    projects: ['unit', 'e2e'],
  },
  'swarm-chaos': {
    needs: ['DOCKER_HOST', 'DOCKER_TEST_IMAGE'],
    on: 'docker',
    probe: (variables) => answersSocket(variables.DOCKER_HOST ?? ''),
    suites: ['test/chaos/engines/swarm'],
    projects: ['chaos'],
  },
}
