import { access, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { jest } from '@jest/globals'
import type { Observation } from '../../../lib/backends/contract.ts'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import { kubernetes } from '../../../lib/backends/kubernetes/index.ts'
import type { JobSpec } from '../../../lib/jobs/types.ts'
import { call, refusal } from '../../contract/backend/bench.ts'
import { clusterIsMissing, clusterSecret, clusterVariable, kubectl } from '../../contract/backend/kubernetes-harness.ts'
import { skip } from '../../support/skip.ts'
import { DEPLOYMENT, directories, Place } from './cluster.ts'
import type { Asked, Site } from './cluster.ts'

const missing = clusterIsMissing()
if (missing === undefined) describe('what the cluster does is told as it is', truths)
else skip('what the cluster does is told as it is', missing)

function truths(): void {
  jest.setTimeout(120_000)
  const places: Place[] = []
  const place = (site?: Site): Place => {
    const made = new Place(kubernetes, site)
    places.push(made)
    return made
  }
  afterAll(async () => {
    await Promise.all(places.map((one) => one.clear()))
    await rm(join(clusterVariable('KUBE_STOREBASE'), DEPLOYMENT), { recursive: true, force: true })
  })

  const ends: Readonly<Record<string, { site?: () => Site; asked: Asked; seen: Partial<Extract<Observation, { phase: 'ended' }>> }>> = {
    'an image that nobody has, once its budget is over': {
      site: () => ({ options: { imagePullBudgetSeconds: 0 } }),
      asked: { image: 'local/none:1' },
      seen: { reason: 'RegistryUnreachable', message: expect.stringMatching(/Err?ImagePull.*local\/none:1/) as string },
    },
    'an image whose name is none': { asked: { image: 'local/None:1' }, seen: { reason: 'ImageNotFound' } },
    'a process of the job that needed too much memory, though the job did not mind': {
      asked: { script: '(tail /dev/zero); exit 0', limits: { memory: 32 } },
      seen: { reason: 'OutOfMemory' },
    },
    'a program that is not there': { asked: { argv: ['/no/such/program'] }, seen: { reason: 'CommandNotFound' } },
    'a program that is none': { asked: { argv: ['/etc/passwd'] }, seen: { reason: 'NotExecutable' } },
    'a job that Pod Security refuses': {
      site: () => ({ namespace: clusterVariable('KUBE_NAMESPACE_RESTRICTED') }),
      asked: {},
      seen: { reason: 'PolicyRefused', message: expect.stringMatching(/violates PodSecurity "restricted:latest": runAsNonRoot/) as string },
    },
    'a job that Pod Security lets pass': {
      site: () => ({ namespace: clusterVariable('KUBE_NAMESPACE_RESTRICTED') }),
      asked: { user: { uid: 1000, gid: 1000 }, limits: { cpu: 100, memory: 32 }, shmSizeMiB: 8 },
      seen: { reason: 'Completed', exitCode: 0 },
    },
    'a job that says nothing of what a quota counts': {
      site: () => ({ namespace: clusterVariable('KUBE_NAMESPACE_QUOTA') }),
      asked: {},
      seen: { reason: 'PolicyRefused', message: expect.stringMatching(/failed quota: .*must specify/) as string },
    },
    'a host that has no storebase': {
      site: () => ({ storage: { type: 'host', storebase: '/no/such/storebase' } }),
      asked: { mounts: [{ field: 'input_dir', source: 'x', target: '/share/incoming', readOnly: true }] },
      seen: { reason: 'MountRefused', message: expect.stringMatching(/hostPath type check failed: \/no\/such\/storebase/) as string },
    },
    'a memory-backed /dev/shm of its own size': {
      asked: { script: 'set -- $(df -k /dev/shm | tail -1); [ $2 = 8192 ]', shmSizeMiB: 8 },
      seen: { reason: 'Completed' },
    },
    'what pman tells a job of itself': {
      asked: {
        script: '[ "$NUMBER_OF_WORKERS $CPU_LIMIT $MEMORY_LIMIT $JOB_COMPLETION_INDEX" = "1 250m 64Mi 0" ] && ! [ -e /var/run/secrets ]',
        limits: { cpu: 250, memory: 64 },
      },
      seen: { reason: 'Completed' },
    },
  }
  describe('ends', () => {
    const seen = new Map<string, Promise<{ end: Observation }>>()
    beforeAll(async () => {
      for (const [name, { site, asked }] of Object.entries(ends)) seen.set(name, place(site?.()).end(asked))
      await Promise.allSettled(seen.values())
    })
    test.each(Object.keys(ends))('%s', async (name) => {
      expect((await seen.get(name))?.end).toMatchObject({ kind: 'state', phase: 'ended', ...ends[name]?.seen })
    })
  })

  const waits: Readonly<Record<string, { site?: () => Site; asked: Asked; message: RegExp }>> = {
    'a node that there is not': {
      site: () => ({ options: { nodeSelector: { 'no-such/label': 'x' } } }),
      asked: {},
      message: /^Unschedulable: 0\/1 nodes are available: .*didn't match/,
    },
    'more memory than there is': { asked: { limits: { memory: 10_000_000 } }, message: /^Unschedulable: .*Insufficient memory/ },
    'a GPU that there is not': { asked: { limits: { gpu: 1 } }, message: /^Unschedulable: .*Insufficient nvidia\.com\/gpu/ },
    'a claim that there is not': {
      site: () => ({ storage: { type: 'kubernetes_pvc', volume: 'none' } }),
      asked: { mounts: [{ field: 'input_dir', source: 'x', target: '/share/incoming', readOnly: true }] },
      message: /^Unschedulable: .*persistentvolumeclaim "none" not found/,
    },
    'an image, within its budget': { asked: { image: 'local/none:1' }, message: /^(ErrImagePull|ImagePullBackOff): .*local\/none:1/ },
    'room in a quota': {
      site: () => ({ namespace: clusterVariable('KUBE_NAMESPACE_QUOTA') }),
      asked: { limits: { cpu: 100, memory: 128 } },
      message: /^FailedCreate: .*exceeded quota/,
    },
  }
  describe('waits for', () => {
    const seen = new Map<string, Promise<Observation>>()
    beforeAll(async () => {
      for (const [name, { site, asked, message }] of Object.entries(waits)) {
        const where = place(site?.())
        const right = (one: Observation) => one.kind === 'state' && one.phase === 'waiting' && message.test(one.message ?? '')
        seen.set(name, where.start(asked).then((ref) => where.until(ref, right)))
      }
      await Promise.allSettled(seen.values())
    })
    test.each(Object.keys(waits))('%s', async (name) => {
      expect(await seen.get(name)).toMatchObject({ phase: 'waiting' })
    })
  })

  test('a job that was given up does not run, whatever release arrives later, and the cluster keeps nothing that waits', async () => {
    const where = place({ options: { imagePullBudgetSeconds: 0 } })
    const { ref } = await where.end({ image: 'local/none:1' })
    await where.backend.release(ref, 2, call())
    expect(await where.look(ref)).toMatchObject({ phase: 'ended', reason: 'RegistryUnreachable' })
    expect(await where.log(ref)).toBe('')
    expect(await kubectl('-n', where.namespace, 'get', 'pods', '-l', `job-name=${ref.split('/')[0] ?? ''}`, '-o', 'name')).toBe('')
  })

  test('a limit that has passed leaves the log', async () => {
    const where = place()
    const { ref, end } = await where.end({ script: 'echo here; sleep 60', limits: { time: 2 } })
    expect(end).toMatchObject({ reason: 'TimeLimit' })
    expect(await where.log(ref)).toBe('here\n')
  })

  test('what has ended is not touched by a stop, and is removed by a removal', async () => {
    const where = place()
    const { ref } = await where.end({ script: 'echo kept; exit 4' })
    const condition = 'jsonpath={.status.conditions[-1].type}'
    const finished = () => kubectl('-n', where.namespace, 'get', 'job', ref.split('/')[0] ?? '', '-o', condition)
    for (const until = Date.now() + 20_000; (await finished()) !== 'Failed' && Date.now() < until; ) await delay(200)
    expect(await where.backend.stop(ref, call())).toBe('gone')
    expect(await where.look(ref)).toMatchObject({ phase: 'ended', exitCode: 4 })
    expect(await where.log(ref)).toBe('kept\n')
    await where.gone(ref)
    expect(await where.look(ref)).toEqual({ kind: 'absent' })
  })

  describe('behind our back', () => {
    const script = "trap 'exit 7' TERM; while :; do sleep 0.1; done"

    test('a Job that is deleted is stopping, then absent', async () => {
      const where = place()
      const ref = await where.start({ script: 'trap "" TERM; while :; do sleep 0.1; done' })
      await where.phase(ref, 'running')
      await kubectl('-n', where.namespace, 'delete', 'job', ref.split('/')[0] ?? '', '--wait=false')
      await where.phase(ref, 'stopping')
      expect(await where.phase(ref, 'absent')).toEqual({ kind: 'absent' })
    })

    test('pods that have lost their Job still run, and are stopped', async () => {
      const where = place()
      const ref = await where.start({ script })
      await where.phase(ref, 'running')
      await kubectl('-n', where.namespace, 'delete', 'job', ref.split('/')[0] ?? '', '--cascade=orphan')
      expect(await where.look(ref)).toMatchObject({ phase: 'running', message: expect.stringMatching(/deleted by someone else/) as string })
      await where.gone(ref)
      expect(await where.look(ref)).toEqual({ kind: 'absent' })
    })

    test('a pod that is deleted is a failure, whatever it made of it', async () => {
      const where = place()
      const ref = await where.start({ script: 'trap "" TERM; while :; do sleep 0.1; done' })
      await where.phase(ref, 'running')
      await kubectl('-n', where.namespace, 'delete', 'pod', '-l', `job-name=${ref.split('/')[0] ?? ''}`, '--wait=false')
      expect(await where.phase(ref, 'ended')).toMatchObject({ reason: expect.stringMatching(/^(KilledBySignal|NonZeroExit)$/) as string })
    })

    test('a Job that is suspended is not inert, and no release runs it again', async () => {
      const where = place()
      const ref = await where.start({ script })
      await where.phase(ref, 'running')
      await kubectl('-n', where.namespace, 'patch', 'job', ref.split('/')[0] ?? '', '-p', '{"spec":{"suspend":true}}')
      await where.phase(ref, 'waiting')
      await where.backend.release(ref, 2, call())
      expect(await where.look(ref)).toMatchObject({ phase: 'waiting', message: 'its Job was suspended by someone else' })
    })

    test('a Job of another with our name is not taken for ours', async () => {
      const where = place()
      const job = where.job()
      await kubectl('-n', where.namespace, 'create', 'job', job.engineName, `--image=${job.spec.image}`, '--', 'true')
      await expect(where.backend.create(job, undefined, call())).rejects.toThrow('already exists')
      await kubectl('-n', where.namespace, 'delete', 'job', job.engineName)
    })
  })

  describe('directories', () => {
    const mounts = (source: string): JobSpec['mounts'] => [{ field: 'input_dir', source, target: '/share/incoming', readOnly: true }]
    const check = () => ({ options: { checkImage: clusterVariable('KUBE_TEST_IMAGE'), imagePullBudgetSeconds: 0 } })
    const storages: readonly [string, () => Site][] = [
      ['a claim', check],
      ['the host', () => ({ ...check(), storage: { type: 'host', storebase: clusterVariable('KUBE_STOREBASE') } })],
    ]

    test.each(storages)('of %s that are not there are refused, and not made', async (_name, site) => {
      const source = `${DEPLOYMENT}/no $(HOME) 'such'`
      const { end } = await place(site()).end({ mounts: mounts(source) })
      expect(end).toMatchObject({ reason: 'MountRefused', message: `input_dir: '${source}' is not a directory of the storebase` })
      await expect(access(join(clusterVariable('KUBE_STOREBASE'), source))).rejects.toThrow()
    })

    test.each(storages)('of %s that are there are the job\'s', async (_name, site) => {
      await directories(DEPLOYMENT, `${DEPLOYMENT}/there`)
      const script = '[ -d /share/incoming ] && ! touch /share/incoming/x'
      const { end } = await place(site()).end({ mounts: mounts(`${DEPLOYMENT}/there`), script })
      expect(end).toMatchObject({ reason: 'Completed' })
    })

    test('that lead out of the storebase are refused', async () => {
      await directories(DEPLOYMENT)
      await symlink('/etc', join(clusterVariable('KUBE_STOREBASE'), DEPLOYMENT, 'out'))
      const storage = { type: 'host', storebase: clusterVariable('KUBE_STOREBASE') }
      const where = place({ storage, options: { imagePullBudgetSeconds: 0 } })
      const { end } = await where.end({ mounts: mounts(`${DEPLOYMENT}/out`), script: 'exit 0' })
      expect(end).toMatchObject({ reason: 'MountRefused' })
    })
  })

  describe('several workers', () => {
    test('run side by side, each with its number, and their logs are told apart', async () => {
      const where = place()
      const script = 'echo "one of $NUMBER_OF_WORKERS"; printf "number $JOB_COMPLETION_INDEX"'
      const { ref, end } = await where.end({ script, workers: 3 })
      expect(end).toMatchObject({ reason: 'Completed', exitCode: 0 })
      const log = [0, 1, 2].map((worker) => `worker ${worker}: one of 3\nworker ${worker}: number ${worker}\n`).join('')
      expect(await where.log(ref)).toBe(log)
    })

    test('fail as soon as one of them does, and nothing of them runs on', async () => {
      const where = place()
      const script = '[ $JOB_COMPLETION_INDEX = 1 ] && { echo bad; sleep 1; exit 9; }; echo good; sleep 60'
      const { ref, end } = await where.end({ script, workers: 2 })
      expect(end).toMatchObject({ reason: 'NonZeroExit', exitCode: 9, message: 'worker 1' })
      // The Job controller deletes the other worker's pod, and what it has said.
      const removed = 'worker 0: (its pod was removed by the engine, and its log with it)\nworker 1: bad\n'
      for (const until = Date.now() + 20_000; (await where.log(ref)) !== removed && Date.now() < until; ) await delay(250)
      expect(await where.log(ref)).toBe(removed)
    })
  })

  test('fifty jobs at once end, and one question tells of all of them', async () => {
    const where = place()
    const refs = await Promise.all(Array.from({ length: 50 }, () => where.start({ script: 'exit 0' })))
    const completed = async (): Promise<number> => {
      const seen = await where.backend.observe(refs, call())
      return seen.filter((one) => one.kind === 'state' && one.phase === 'ended' && one.reason === 'Completed').length
    }
    for (const until = Date.now() + 90_000; (await completed()) < 50 && Date.now() < until; ) await delay(500)
    expect(await completed()).toBe(50)
    const listed = []
    for await (const found of where.backend.list(call())) listed.push(found.ref)
    expect(listed).toEqual(expect.arrayContaining(refs))
  })

  describe('what is refused at once', () => {
    test('is told in the API server\'s words, by the request\'s field', async () => {
      const where = place()
      const refused = await refusal(where.make(where.job({ env: ['=x'] })))
      expect(refused.fields).toEqual({ env: expect.stringMatching(/./) as string })
      expect(refused.message).toContain('spec.template.spec.containers[0].env')
    })
  })

  describe('names and labels', () => {
    test('any jid is kept, and a site\'s labels as far as they are labels', async () => {
      const where = place()
      const jid = `${'ž🦊 &$(x)'.repeat(30)}"'`
      const taken = { 'job-origin': 'z', 'bad key': 'v', 'batch.kubernetes.io/job-name': 'n' }
      const job = where.job({ jid, siteLabels: { team: 'a b/c', 'example.org/x': 'y', ...taken } })
      const ref = await where.make(job)
      expect((await where.backend.find(job.engineName, call()))[0]).toMatchObject({ ref, labels: { jid } })
      const text = await kubectl('-n', where.namespace, 'get', 'job', job.engineName, '-o', 'json')
      const { labels } = (JSON.parse(text) as { metadata: { labels: object } }).metadata
      expect(labels).toMatchObject({ 'job-origin': 'pman', team: 'a_b_c', 'example.org/x': 'y' })
      expect(labels).toMatchObject({ 'pman-serverless/engine-name': job.engineName })
      expect(labels).not.toHaveProperty(['bad key'])
    })
  })

  describe('credentials', () => {
    const refused = async (): Promise<string> => JSON.stringify({ ...(JSON.parse(await clusterSecret()) as object), token: 'revoked' })

    test('that are refused are read again, once', async () => {
      const asked: (boolean | undefined)[] = []
      const where = place({
        secret: (how) => {
          asked.push(how?.fresh)
          return asked.includes(true) ? clusterSecret() : refused()
        },
      })
      const ref = await where.make(where.job())
      expect(asked).toEqual([false, true])
      expect(await where.look(ref)).toEqual({ kind: 'inert' })
    })

    test('in the cluster are the pod\'s own, read again when the kubelet renews them', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'pman-account-'))
      const { ca, token } = JSON.parse(await clusterSecret()) as { ca: string; token: string }
      await writeFile(join(directory, 'ca.crt'), ca)
      await writeFile(join(directory, 'token'), 'not yet')
      await writeFile(join(directory, 'namespace'), clusterVariable('KUBE_NAMESPACE'))
      const options = { serviceAccountDirectory: directory, inCluster: true, namespace: undefined }
      const where = place({ secret: async () => undefined, options })
      await expect(where.backend.health(call())).rejects.toThrow('does not accept the credentials')
      await writeFile(join(directory, 'token'), `${token}\n`)
      expect((await where.backend.health(call())).version).toMatch(/^v1\./)
      await rm(directory, { recursive: true })
    })

    test('that stay refused say nothing about a job', async () => {
      const ref = await place().start()
      const where = place({ secret: refused })
      const error = expect.stringMatching(/does not accept the credentials/) as string
      expect(await where.look(ref)).toMatchObject({ kind: 'unknown', error })
      await expect(where.backend.health(call())).rejects.toMatchObject({ code: 'engine_unavailable' })
    })

    test('without the right are told so, and the job is not absent', async () => {
      const ref = await place().start()
      const where = place({ secret: () => clusterSecret(clusterVariable('KUBE_NORIGHTS_TOKEN_FILE')) })
      const error = expect.stringMatching(/a right is missing: .*cannot list resource "jobs"/) as string
      expect(await where.look(ref)).toEqual({ kind: 'unknown', error })
      const creating = where.backend.create(where.job(), undefined, call())
      await expect(creating).rejects.not.toBeInstanceOf(EngineRejected)
      await expect(creating).rejects.toThrow('cannot create resource "jobs"')
      await expect(where.backend.remove(ref, call())).rejects.toThrow('a right is missing')
    })
  })
}
