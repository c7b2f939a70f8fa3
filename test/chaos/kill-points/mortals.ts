import { join } from 'node:path'
import type { Backend } from '../../../lib/backends/contract.ts'
import type { JobRecord } from '../../../lib/jobs/types.ts'
import { clusterSecret } from '../../contract/backend/kubernetes-harness.ts'
import { layOut, siteOrNone, slurmLayout } from '../../contract/backend/slurm-harness.ts'
import { driverOf } from '../engines/drivers.ts'
import type { Place } from './deployment.ts'

/** An engine whose serving processes are killed. */
export interface Mortal {
  image: string
  /** What a job's shell knows of the engine object that it runs as … */
  self: string
  /** … as the word for it … */
  objectIn(self: string): string
  /** … that a record has too. */
  objectOf(record: JobRecord): string
  /** Makes of the place's directory what the engine needs there. */
  lay?(place: Place): Promise<void>
  /** A driver for a place. */
  open(place: Place, compute: string, deployment: string): Backend
  /** A job that is being deleted has ended when the call that stops it answers, so that nobody has to wait for it. */
  stopsWithinTheCall: boolean
  /** The call that removes an object only asks for it: cleanup sees its end, and whoever has asked does not. */
  removesLater?: boolean
}

const { DOCKER_HOST, DOCKER_TEST_IMAGE, PODMAN_HOST, PODMAN_TEST_IMAGE } = process.env

const { CROMWELL_URL, CROMWELL_EXECUTIONS } = process.env
const { KUBE_SERVER, KUBE_NAMESPACE, KUBE_TEST_IMAGE = '' } = process.env

const opened = (
  type: string,
  place: Place,
  compute: string,
  deployment: string,
  options: Readonly<Record<string, unknown>>,
  credentials = (): Promise<string | undefined> => Promise.resolve(undefined),
): Backend =>
  driverOf(type).open({
    compute,
    deployment,
    host: 'machine',
    storage: { type: 'host', storebase: join(place.root, 'data') },
    options,
    credentials,
  })

/** A container's host name begins as its id does. */
const inContainers = (type: 'docker' | 'podman', host: string | undefined, image = ''): Mortal => ({
  image,
  self: '$(hostname)',
  objectIn: (self) => self,
  objectOf: ({ ref = '' }) => ref.slice(0, 12),
  open: (place, compute, deployment) => opened(type, place, compute, deployment, { host, stopGrace: 1 }),
  stopsWithinTheCall: true,
})

export const MORTALS: Readonly<Record<string, Mortal>> = {
  /** Its time to end is long enough for the next submission to come within it, on a machine under load too. */
  local: {
    image: 'local/plugin:1',
    self: '$(pwd)',
    objectIn: (self) => self.split('/').at(-2)?.split('.')[0] ?? '',
    objectOf: ({ engineName }) => engineName,
    open: (place, compute, deployment) =>
      opened('local', place, compute, deployment, { directory: join(place.root, 'jobs'), killGrace: 4_000 }),
    stopsWithinTheCall: false,
  },
  docker: inContainers('docker', DOCKER_HOST, DOCKER_TEST_IMAGE),
  podman: inContainers('podman', PODMAN_HOST, PODMAN_TEST_IMAGE),
  /** A pod's host name is that of its Job and the worker's number. */
  kubernetes: {
    image: KUBE_TEST_IMAGE,
    self: '$(hostname)',
    objectIn: (self) => self.replace(/-0$/, ''),
    objectOf: ({ ref = '' }) => ref.split('/')[0] ?? '',
    open: (place, compute, deployment) =>
      opened(
        'kubernetes',
        place,
        compute,
        deployment,
        { server: KUBE_SERVER, namespace: KUBE_NAMESPACE, terminationGracePeriodSeconds: 1 },
        () => clusterSecret(),
      ),
    stopsWithinTheCall: false,
    removesLater: true,
  },
  /** The environment of a job's own launcher names the job. */
  slurm: {
    image: 'example.org/none:1',
    self: '$JOB',
    objectIn: (self) => self,
    objectOf: ({ ref = '{}' }) => String((JSON.parse(ref) as { id?: number }).id),
    lay: ({ root }) => layOut(root),
    open(place, compute, deployment) {
      const { url, user, token } = siteOrNone()
      const { options } = slurmLayout(place.root, url, 'env JOB=$SLURM_JOB_ID')
      return opened('slurm', place, compute, deployment, options, () => Promise.resolve(JSON.stringify({ user, token })))
    },
    stopsWithinTheCall: false,
  },
  /** A job begins in the directory of its workflow's call. The pace of its looks is the test's. */
  cromwell: {
    image: 'docker.io/library/busybox:1.36',
    self: '$(pwd)',
    objectIn: (self) => /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(self)?.[0] ?? '',
    objectOf: ({ ref = '' }) => ref.split('.').at(-1) ?? '',
    open: (place, compute, deployment) => ({
      ...opened('cromwell', place, compute, deployment, { url: CROMWELL_URL, executions: CROMWELL_EXECUTIONS, summaryGrace: 1_000 }),
      pollInterval: 500,
    }),
    stopsWithinTheCall: false,
  },
}
