import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend } from '../../../lib/backends/contract.ts'
import { StandIn, WITHOUT_STAND_IN } from '../../backends/cromwell/stand-in.ts'
import type { BackendHarness } from '../../contract/backend/harness.ts'
import { clusterSecret } from '../../contract/backend/kubernetes-harness.ts'
import { layOut, siteOrNone, slurmLayout, slurmSite } from '../../contract/backend/slurm-harness.ts'
import { certificates } from '../fault-proxy/certificates.ts'
import { faultProxy, type FaultProxy } from '../fault-proxy/proxy.ts'
import { DRIVERS, driverOf } from './drivers.ts'

const { CROMWELL_URL, DOCKER_HOST, DOCKER_TEST_IMAGE, PODMAN_HOST, PODMAN_TEST_IMAGE } = process.env
const { KUBE_SERVER, KUBE_TEST_IMAGE, KUBE_CA_FILE = '', KUBE_TOKEN_FILE = '', KUBE_NAMESPACE } = process.env
const { DOCKER_TLS_HOST, DOCKER_TLS_CA = '', DOCKER_TLS_CERT = '', DOCKER_TLS_KEY = '' } = process.env

/** What a driver is given to reach its engine. */
interface Access {
  options: Readonly<Record<string, unknown>>
  secret?: string
}

/** A proxy, and how a driver reaches it. */
interface Detour extends Access {
  proxy: FaultProxy
}

/** What a site has of its own, besides a directory. */
interface Laid extends Partial<Access> {
  /** Where the engine is, if it is the site's own. */
  host?: string
  /** If not the directory itself. */
  storebase?: string
  close?: () => Promise<void>
}

/** One way to an engine, as a table may have it. */
interface Way {
  type: string
  /** Where the engine is; undefined: not known. */
  host: string | undefined
  image: string | undefined
  /** What must be set for it. */
  needs: string
  /** How a driver reaches it at this place, so that jobs have a second between SIGTERM and SIGKILL. */
  at: (host: string) => Promise<Access>
  /** Makes a directory into a place for jobs; by default it is one. */
  lay?: (root: string, host: string) => Promise<Laid>
  /** A place where nobody is. */
  nowhere: string
  /** Puts a proxy between a driver and the engine, and says how the driver then reaches it. */
  behind: (host: string, how: { delay: number }) => Promise<Detour>
  /** How long the engine may take for one step, in ms. */
  patience: number
  /** Names are not unique there: a create whose answer was lost leaves a job that cannot run. */
  leavesCopies?: boolean
}

const atHost: Way['at'] = async (host) => ({ options: { host, stopGrace: 1 } })

/** By a unix socket. */
const bySocket: Way['behind'] = async (host, how) => {
  const proxy = await faultProxy({ target: { socketPath: host.slice('unix://'.length) }, listen: 'unix', ...how })
  return { proxy, ...(await atHost(`unix://${'socketPath' in proxy.address ? proxy.address.socketPath : ''}`)) }
}

/** By mutual TLS on both sides: the driver has a certificate of the proxy's authority, the proxy one of the engine's. */
const byTls: Way['behind'] = async (host, how) => {
  const { hostname, port } = new URL(host)
  const files = [DOCKER_TLS_CA, DOCKER_TLS_CERT, DOCKER_TLS_KEY]
  const [ca = '', cert = '', key = ''] = await Promise.all(files.map((path) => readFile(path, 'utf8')))
  const { server, client } = await certificates()
  const target = { host: hostname, port: Number(port), tls: { ca, cert, key } }
  const proxy = await faultProxy({ target, listen: { tls: server }, ...how })
  return { proxy, ...(await atHost(urlOf(proxy))), secret: JSON.stringify(client) }
}

const urlOf = ({ address }: FaultProxy): string => ('url' in address ? address.url : '')

/** As the cluster's service account. */
const atApiServer: Way['at'] = async (server) => ({
  options: { server, namespace: KUBE_NAMESPACE, terminationGracePeriodSeconds: 1 },
  secret: await clusterSecret(),
})

/** The driver is let in by the proxy for its certificate, and by the API server for its token, which the proxy passes on. */
const byToken: Way['behind'] = async (host, how) => {
  const { hostname, port } = new URL(host)
  const [ca, token] = await Promise.all([KUBE_CA_FILE, KUBE_TOKEN_FILE].map((path) => readFile(path, 'utf8')))
  const { server, client } = await certificates()
  const target = { host: hostname, port: Number(port), tls: { ca: ca ?? '' } }
  const proxy = await faultProxy({ target, listen: { tls: server }, ...how })
  return { proxy, ...(await atApiServer(urlOf(proxy))), secret: JSON.stringify({ ...client, token: token?.trim() }) }
}

const atUrl: Way['at'] = async (url) => ({ options: { url } })

/** By plain HTTP. */
const byHttp: Way['behind'] = async (host, how) => {
  const { hostname, port } = new URL(host)
  const proxy = await faultProxy({ target: { host: hostname, port: Number(port) }, listen: 'tcp', ...how })
  return { proxy, ...(await atUrl(urlOf(proxy))) }
}

const laySlurm: Way['lay'] = async (root, host) => {
  const { user, token } = siteOrNone()
  await layOut(root)
  const { storebase, options } = slurmLayout(root, host)
  return { storebase, options, secret: JSON.stringify({ user, token }) }
}

/** A server of the site's own, whose summary is a fraction of a second behind. */
const layCromwell: Way['lay'] = async () => {
  const server = await StandIn.start('modern')
  return { host: server.url, options: { executions: server.executions, summaryGrace: 1_000 }, close: () => server.close() }
}

const BY_URL = { at: atUrl, nowhere: 'http://127.0.0.1:1', behind: byHttp }
const BY_SOCKET = { at: atHost, nowhere: 'unix:///nowhere.sock', behind: bySocket }
const DOCKER = { host: DOCKER_HOST, image: DOCKER_TEST_IMAGE, needs: 'DOCKER_HOST and DOCKER_TEST_IMAGE', ...BY_SOCKET }

/** The engines that the chaos suites know: one row each. */
const WAYS = {
  docker: { type: 'docker', ...DOCKER, patience: 20_000 },
  'docker by mTLS': {
    ...DOCKER,
    type: 'docker',
    host: DOCKER_HOST && DOCKER_TLS_HOST,
    needs: 'DOCKER_HOST, DOCKER_TLS_HOST and DOCKER_TEST_IMAGE',
    behind: byTls,
    patience: 20_000,
  },
  podman: {
    type: 'podman',
    host: PODMAN_HOST,
    image: PODMAN_TEST_IMAGE,
    needs: 'PODMAN_HOST and PODMAN_TEST_IMAGE',
    ...BY_SOCKET,
    patience: 30_000,
  },
  swarm: { type: 'swarm', ...DOCKER, patience: 30_000 },
  kubernetes: {
    type: 'kubernetes',
    host: KUBE_SERVER,
    image: KUBE_TEST_IMAGE,
    needs: 'KUBE_SERVER, KUBE_TEST_IMAGE and the others of that cluster',
    at: atApiServer,
    nowhere: 'https://127.0.0.1:1',
    behind: byToken,
    patience: 40_000,
  },
  slurm: {
    type: 'slurm',
    host: slurmSite()?.url,
    image: 'example.org/none:1',
    needs: 'SLURM_REST_URL, SLURM_USER_NAME and SLURM_USER_TOKEN',
    ...BY_URL,
    lay: laySlurm,
    patience: 30_000,
    leavesCopies: true,
  },
  cromwell: {
    type: 'cromwell',
    host: WITHOUT_STAND_IN === undefined ? CROMWELL_URL : undefined,
    image: 'docker.io/library/busybox:1.36',
    needs: 'CROMWELL_URL and CROMWELL_DIR',
    ...BY_URL,
    lay: layCromwell,
    patience: 30_000,
  },
} as const satisfies Record<string, Way>

export type SiteName = keyof typeof WAYS

/** A driver with a proxy between it and its engine. */
export interface Behind {
  proxy: FaultProxy
  open(deployment: string): Backend
}

/** A real engine for chaos: directly, and behind as many proxies as are asked for. */
export interface Site {
  name: SiteName
  type: string
  image: string
  storebase: string
  patience: number
  leavesCopies: boolean
  open(deployment: string, compute?: string): Backend
  behind(how?: { delay?: number; compute?: string }): Promise<Behind>
  /** For what the contract's bench does. */
  harness: BackendHarness
  close(): Promise<void>
}

/** Why there is nothing to be tried on this engine; undefined: there is. */
export function missing(name: SiteName): string | undefined {
  const { host, image, needs, type }: Way = WAYS[name]
  if (!DRIVERS.has(type)) return `there is no driver ${type} yet`
  return host === undefined || image === undefined ? `${needs} are not set: npm run test:engines -- ${type}-chaos` : undefined
}

export async function openSite(name: SiteName): Promise<Site> {
  const way: Way = WAYS[name]
  const { type, image = '', nowhere, behind, patience, leavesCopies = false } = way
  const module = driverOf(type)
  const root = await mkdtemp(join(tmpdir(), 'pman-chaos-'))
  // jobs may be another user's
  await chmod(root, 0o755)
  const laid: Laid = (await way.lay?.(root, way.host ?? '')) ?? {}
  const { host = way.host ?? '', storebase = root } = laid
  const opened = ({ options, secret }: Access) => (deployment: string, compute = 'contract') =>
    module.open({
      compute,
      deployment,
      storage: { type: 'host', storebase },
      host: 'machine',
      options: { ...laid.options, ...options },
      credentials: async () => secret ?? laid.secret,
    })
  const socket: Way = name === 'docker by mTLS' ? WAYS.docker : WAYS[name]
  const direct = opened(await socket.at(laid.host ?? socket.host ?? ''))
  const unreachable = opened(await socket.at(nowhere))
  return {
    name,
    type,
    image,
    storebase,
    patience,
    leavesCopies,
    open: direct,
    async behind({ delay = 40, compute } = {}) {
      const { proxy, ...access } = await behind(host, { delay })
      return { proxy, open: (deployment) => opened(access)(deployment, compute) }
    },
    harness: {
      supports: module.supports,
      readOnlyInputs: true,
      seesDirectories: true,
      patience,
      watch: 1000,
      setUp: async () => ({
        image,
        storebase,
        open: (deployment) => direct(deployment),
        openUnreachable: () => unreachable('contract'),
        tearDown: () => Promise.resolve(),
      }),
    },
    async close() {
      await laid.close?.()
      await rm(root, { recursive: true, force: true })
    },
  }
}
