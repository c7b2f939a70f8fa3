import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import { kubernetes } from '../../../lib/backends/kubernetes/index.ts'
import { call } from '../../contract/backend/bench.ts'
import { clusterIsMissing, clusterSecret, clusterVariable, kubectl } from '../../contract/backend/kubernetes-harness.ts'
import { skip } from '../../support/skip.ts'
import { Place } from './cluster.ts'

interface Revocation {
  what: 'serviceaccount' | 'rolebinding'
  told: RegExp
  /** Credentials are read again, for each question that is refused. */
  readAgain: boolean
}

const REVOCATIONS: readonly Revocation[] = [
  { what: 'serviceaccount', told: /does not accept the credentials/, readAgain: true },
  { what: 'rolebinding', told: /a right is missing: .*cannot list resource "jobs"/, readAgain: false },
]

const missing = clusterIsMissing()
if (missing === undefined) describe('an account whose rights are taken from it while its job runs', onTheCluster)
else skip('an account whose rights are taken from it while its job runs', missing)

function onTheCluster(): void {
  jest.setTimeout(120_000)
  const name = `pman-revoked-${randomBytes(4).toString('hex')}`
  const namespace = clusterVariable('KUBE_NAMESPACE')
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pman-revoked-'))
  })
  afterAll(async () => {
    await kubectl('-n', namespace, 'delete', 'serviceaccount,rolebinding', name, '--ignore-not-found')
    await rm(directory, { recursive: true, force: true })
  })

  /** Makes what of the account is not there, bound to the cluster's Role of the gateway. */
  async function grant(): Promise<void> {
    const metadata = { name, namespace }
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'pman' }
    const subjects = [{ kind: 'ServiceAccount', ...metadata }]
    const items = [
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata, roleRef, subjects },
    ]
    const file = join(directory, 'account.json')
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    await kubectl('apply', '-f', file)
  }

  async function newSecret(): Promise<string> {
    const token = (await kubectl('-n', namespace, 'create', 'token', name)).trim()
    return JSON.stringify({ ...(JSON.parse(await clusterSecret()) as object), token })
  }

  test.each(REVOCATIONS)('its $what is deleted: told as trouble of the engine, never as absence; given back, it goes on', async (row) => {
    await grant()
    // as the secrets store does: what has been read is kept until somebody asks for it afresh
    let stored = await newSecret()
    let kept = stored
    let reads = 0
    const place = new Place(kubernetes, {
      namespace,
      secret: async ({ fresh } = { fresh: false }) => {
        if (!fresh) return kept
        reads++
        return (kept = stored)
      },
    })
    const { backend } = place
    const ref = await place.start({ script: 'sleep 8; echo done; exit 4' })
    await place.phase(ref, 'running')
    expect(reads).toBe(0)

    await kubectl('-n', namespace, 'delete', row.what, name)
    const error = expect.stringMatching(row.told) as string
    // the API server may know the token for some seconds more
    expect(await place.until(ref, (seen) => seen.kind !== 'state')).toEqual({ kind: 'unknown', error })
    const before = reads
    expect(await place.look(ref)).toEqual({ kind: 'unknown', error })
    expect(reads).toBe(before + (row.readAgain ? 1 : 0))
    const asked = [
      backend.create(place.job(), undefined, call()),
      backend.release(ref, 2, call()),
      backend.logs(ref, { tailLines: 9, maxBytes: 99 }, call()),
      backend.stop(ref, call()),
      backend.remove(ref, call()),
      backend.health(call()),
    ]
    for (const answer of await Promise.allSettled(asked)) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'engine_unavailable' } })
      expect((answer as PromiseRejectedResult).reason).not.toBeInstanceOf(EngineRejected)
    }

    await grant()
    if (row.readAgain) stored = await newSecret()
    const last = reads
    const heals = (seen: Awaited<ReturnType<Place['look']>>): boolean => {
      expect(seen.kind).not.toBe('absent')
      return seen.kind === 'state'
    }
    await place.until(ref, heals)
    if (row.readAgain) expect(reads).toBe(last + 1)
    expect(await place.phase(ref, 'ended')).toMatchObject({ reason: 'NonZeroExit', exitCode: 4 })
    expect(await place.log(ref)).toBe('done\n')
    if (row.readAgain) expect(reads).toBe(last + 1)
    await place.clear()
  })
}
