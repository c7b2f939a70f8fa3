import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import type { Observation } from '../../../lib/backends/contract.ts'
import { kubernetes } from '../../../lib/backends/kubernetes/index.ts'
import { errorText } from '../../../lib/errors.ts'
import { call } from '../../contract/backend/bench.ts'
import { clusterIsMissing, clusterSecret, clusterVariable, kubectl } from '../../contract/backend/kubernetes-harness.ts'
import { skip } from '../../support/skip.ts'
import { Place } from './cluster.ts'

interface Rule {
  apiGroups: string[]
  resources: string[]
  verbs: string[]
}
interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string }
  rules?: Rule[]
  roleRef?: { name: string }
  subjects?: { name: string; namespace: string }[]
  spec?: Record<string, unknown>
}

const INFRA = join(import.meta.dirname, '../../../infra/kubernetes')
const manifests = async (file: string): Promise<Manifest[]> =>
  parseAllDocuments(await readFile(join(INFRA, file), 'utf8')).map((document) => document.toJS() as Manifest)

const RIGHTS = [
  ...['create', 'list', 'patch', 'delete'].map((verb) => ['jobs', verb] as const),
  ...['list', 'delete'].map((verb) => ['pods', verb] as const),
  ...([['pods/log', 'get'], ['events', 'list'], ['persistentvolumeclaims', 'get']] as const),
]

test('the Role has these rights and no other', async () => {
  const role = (await manifests('role.yaml')).find(({ kind }) => kind === 'Role')
  const rights = role?.rules?.flatMap(({ resources, verbs }) => resources.flatMap((resource) => verbs.map((verb) => [resource, verb])))
  expect(rights).toEqual(RIGHTS)
})

const missing = clusterIsMissing()
if (missing === undefined) describe('the manifests of infra/kubernetes, in a namespace of their own', onTheCluster)
else skip('the manifests of infra/kubernetes, in a namespace of their own', missing)

function onTheCluster(): void {
  jest.setTimeout(180_000)
  const namespace = `pman-role-${randomBytes(4).toString('hex')}`
  let directory = ''

  async function apply(objects: readonly object[]): Promise<void> {
    const file = join(directory, `${randomBytes(4).toString('hex')}.json`)
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
    await kubectl('apply', '-f', file)
  }

  const here = (manifest: Manifest): Manifest => ({ ...manifest, metadata: { ...manifest.metadata, namespace } })

  /** The account of role.yaml under a name of its own, without one of its rights. */
  async function account(name: string, without?: readonly [string, string]): Promise<void> {
    const left = ({ resources, verbs, ...rule }: Rule): Rule => ({
      ...rule,
      resources,
      verbs: verbs.filter((verb) => without === undefined || !resources.includes(without[0]) || verb !== without[1]),
    })
    const objects = (await manifests('role.yaml')).map(({ rules, roleRef, subjects, ...manifest }) => ({
      ...manifest,
      metadata: { name, namespace },
      ...(rules && { rules: rules.map(left).filter(({ verbs }) => verbs.length > 0) }),
      ...(roleRef && { roleRef: { ...roleRef, name } }),
      ...(subjects && { subjects: subjects.map((subject) => ({ ...subject, name, namespace })) }),
    }))
    await apply(objects)
    tokens.set(name, (await kubectl('-n', namespace, 'create', 'token', name)).trim())
  }
  const tokens = new Map<string, string>()
  const secretOf = async (name: string): Promise<string> =>
    JSON.stringify({ ...(JSON.parse(await clusterSecret()) as object), token: tokens.get(name) })
  const site = (name: string, storage?: { type: string; storebase: string }): Place =>
    new Place(kubernetes, { namespace, secret: () => secretOf(name), ...(storage === undefined ? {} : { storage }) })

  /** Everything that the driver does in its life; what it was refused. */
  async function duties(name: string): Promise<string[]> {
    const refused: string[] = []
    const attempt = async (act: () => Promise<unknown>): Promise<boolean> => {
      try {
        await act()
        return true
      } catch (error) {
        refused.push(errorText(error))
        return false
      }
    }
    const settled = async (where: Place, ref: string, phase: string): Promise<void> => {
      const seen: Observation = await where.until(ref, (one) => one.kind === 'unknown' || (one.kind === 'state' && one.phase === phase))
      if (seen.kind === 'unknown') throw new Error(seen.error)
    }
    const where = site(name)
    const mounts = [{ field: 'output_dir', source: '.', target: '/share/outgoing', readOnly: false }]

    await attempt(() => where.backend.health(call()))
    // A job that runs, and is removed.
    const job = where.job({ script: 'echo said', mounts })
    let ref = ''
    const runs = async (asked: Parameters<Place['job']>[0], phase: string): Promise<boolean> =>
      attempt(async () => {
        ref = await where.backend.create(where.job(asked), undefined, call())
        await where.backend.release(ref, 1, call())
        await settled(where, ref, phase)
      })
    if (await runs({ script: 'echo said', mounts }, 'ended')) {
      await attempt(() => where.log(ref))
      await attempt(() => where.backend.find(job.engineName, call()))
      await attempt(() => where.gone(ref))
    }
    // A job that is never let in, so that its events are to be read.
    const host = site(name, { type: 'host', storebase: '/tmp' })
    await attempt(async () => {
      const refusedJob = await host.backend.create(host.job({ mounts }), undefined, call())
      await host.backend.release(refusedJob, 1, call())
      await settled(host, refusedJob, 'ended')
    })
    // A job whose pod is orphaned.
    if (await runs({ script: 'sleep 300' }, 'running')) {
      await kubectl('-n', namespace, 'delete', 'job', ref.split('/')[0] ?? '', '--cascade=orphan')
      await attempt(() => where.gone(ref))
    }
    return refused
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pman-role-'))
    const [space] = await manifests('namespace.yaml')
    await apply([{ ...space, metadata: { ...space?.metadata, name: namespace } }])
    const [claim] = await manifests('storebase.yaml')
    const [policy] = await manifests('network-policy.yaml')
    const volume = {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: namespace },
      spec: {
        capacity: { storage: '1Ti' },
        accessModes: ['ReadWriteMany'],
        claimRef: { namespace, name: 'storebase' },
        hostPath: { path: clusterVariable('KUBE_STOREBASE') },
        persistentVolumeReclaimPolicy: 'Retain',
      },
    }
    if (claim === undefined || policy === undefined) throw new Error('a manifest is missing')
    await apply([volume, here(claim), here(policy)])
  })
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true })
    await kubectl('delete', 'namespace', namespace, '--wait=false')
    await kubectl('delete', 'persistentvolume', namespace, '--wait=false')
  })

  test('are enough for all that the driver does', async () => {
    await account('whole')
    expect(await duties('whole')).toEqual([])
  })

  describe('less one right are not', () => {
    const outcomes = new Map<string, Promise<string[]>>()
    const nameOf = (resource: string, verb: string): string => `no-${verb}-${resource.replace('/', '-')}`
    beforeAll(async () => {
      for (const [resource, verb] of RIGHTS) {
        const name = nameOf(resource, verb)
        outcomes.set(name, account(name, [resource, verb]).then(() => duties(name)))
      }
      await Promise.allSettled(outcomes.values())
    })
    test.each(RIGHTS)('%s %s', async (resource, verb) => {
      const refused = (await outcomes.get(nameOf(resource, verb))) ?? []
      expect(refused).not.toEqual([])
      for (const words of refused) expect(words).toContain(`cannot ${verb} resource "${resource}"`)
    })
  })
}
