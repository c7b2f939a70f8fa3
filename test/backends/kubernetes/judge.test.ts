import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Job, Pod } from '../../../lib/engines/kubernetes-objects.ts'
import { judge, VERDICT, verdictText } from '../../../lib/backends/kubernetes/judge.ts'
import type { Judgement } from '../../../lib/backends/kubernetes/judge.ts'
import { RELEASED } from '../../../lib/backends/kubernetes/manifest.ts'

/** Recorded with `kubectl get -o json` on Kubernetes 1.34. */
function recorded(name: string): { job: Job; pod: Pod } {
  const text = readFileSync(join(import.meta.dirname, 'fixtures', `${name}.json`), 'utf8')
  const revive = (key: string, value: unknown): unknown =>
    /(Time|At|Timestamp)$/.test(key) && typeof value === 'string' ? new Date(value) : value
  const { job, pods } = JSON.parse(text, revive) as { job: Job; pods: Pod[] }
  const [pod] = pods
  if (pod === undefined) throw new Error(`${name} has no pod`)
  return { job, pod }
}

const NOW = Date.parse('2026-12-01T00:00:00Z')
const BUDGET = 300_000
const succeeded = recorded('succeeded')
const failed = recorded('failed')
const running = recorded('running')
const deadline = recorded('deadline')

const state = (job: Job | undefined, ...pods: Pod[]): Judgement => judge(job, pods, NOW, BUDGET)
const withStatus = (pod: Pod, status: Partial<Pod['status'] & object>): Pod => ({ ...pod, status: { ...pod.status, ...status } })
const withMetadata = (pod: Pod, metadata: Pod['metadata']): Pod => ({ ...pod, metadata: { ...pod.metadata, ...metadata } })
const without = (pod: Pod): Pod => withStatus(pod, { containerStatuses: [] })
const container = (pod: Pod, terminated: object): Pod => {
  const [first, ...more] = pod.status?.containerStatuses ?? []
  if (first === undefined) throw new Error('no container')
  const old = first.state?.terminated
  return withStatus(pod, { containerStatuses: [{ ...first, state: { terminated: { exitCode: 1, ...old, ...terminated } } }, ...more] })
}
const waitingFor = (pod: Pod, waiting: object, status: Partial<Pod['status'] & object> = {}): Pod => {
  const [first] = pod.status?.containerStatuses ?? []
  if (first === undefined) throw new Error('no container')
  const containerStatuses = [{ ...first, state: { waiting } }]
  return withStatus(pod, { phase: 'Pending', startTime: new Date(NOW - 1000), conditions: [], containerStatuses, ...status })
}
const disrupted = (reason: string): Pod =>
  withStatus(without(failed.pod), { conditions: [{ type: 'DisruptionTarget', status: 'True', reason, message: 'why' }] })
const ofWorker = (pod: Pod, index: number): Pod =>
  withMetadata(pod, { annotations: { 'batch.kubernetes.io/job-completion-index': String(index) } })
const workers = (job: Job, completions: number): Job => ({ ...job, spec: { ...job.spec, template: job.spec?.template ?? {}, completions } })
const annotated = (job: Job, more: Record<string, string>): Job => {
  const annotations = { ...job.metadata?.annotations, ...more }
  return { ...job, metadata: { ...job.metadata, annotations } }
}
const deleting = (job: Job): Job => ({ ...job, metadata: { ...job.metadata, deletionTimestamp: new Date(NOW) } })
const suspended = (job: Job): Job => ({ ...job, spec: { ...job.spec, template: job.spec?.template ?? {}, suspend: true } })

describe('as recorded', () => {
  test.each([
    [
      'succeeded',
      succeeded,
      {
        phase: 'ended',
        reason: 'Completed',
        exitCode: 0,
        startedAt: expect.any(Number) as number,
        finishedAt: expect.any(Number) as number,
      },
    ],
    ['failed', failed, { phase: 'ended', reason: 'NonZeroExit', exitCode: 3 }],
    ['running', running, { phase: 'running', startedAt: expect.any(Number) as number }],
    ['deadline', deadline, { phase: 'ended', reason: 'TimeLimit' }],
  ])('%s', (_name, { job, pod }, seen) => {
    expect(state(job, pod).observation).toMatchObject({ kind: 'state', ...seen })
  })
})

/** Recorded objects with what the documents of Kubernetes say of cases that one node does not produce. */
describe('ends of a pod', () => {
  test.each<[string, Pod, object]>([
    [
      'evicted for its node\'s memory',
      withStatus(without(failed.pod), { reason: 'Evicted', message: 'The node was low on resource: memory.' }),
      { reason: 'Evicted', message: 'Evicted: The node was low on resource: memory.' },
    ],
    ['preempted by a static pod', withStatus(without(failed.pod), { reason: 'Preempting' }), { reason: 'Preempted' }],
    [
      'its node was shut down',
      withStatus(failed.pod, { reason: 'Terminated', message: 'Pod was terminated in response to imminent node shutdown.' }),
      { reason: 'Evicted' },
    ],
    ['preempted by the scheduler', disrupted('PreemptionByScheduler'), { reason: 'Preempted', message: 'PreemptionByScheduler: why' }],
    ['evicted by a tainted node', disrupted('DeletionByTaintManager'), { reason: 'Evicted' }],
    ['evicted by the API', disrupted('EvictionByEvictionAPI'), { reason: 'Evicted' }],
    ['its node is gone', disrupted('DeletionByPodGC'), { reason: 'HostLost' }],
    ['lost with its node', container(failed.pod, { reason: 'Unknown', exitCode: 255 }), { reason: 'HostLost', exitCode: undefined }],
    [
      'could not be found',
      container(failed.pod, { reason: 'ContainerStatusUnknown', exitCode: 137 }),
      { reason: 'HostLost', exitCode: undefined },
    ],
    ['out of memory', container(failed.pod, { reason: 'OOMKilled', exitCode: 137 }), { reason: 'OutOfMemory', exitCode: 137 }],
    [
      'out of memory inside a success',
      container(succeeded.pod, { reason: 'OOMKilled', exitCode: 0 }),
      { reason: 'OutOfMemory', exitCode: 0 },
    ],
    [
      'not to be executed',
      container(failed.pod, { reason: 'StartError', exitCode: 128, message: 'exec: "/x": permission denied' }),
      { reason: 'NotExecutable' },
    ],
    [
      'its kubelet took it not',
      withStatus(without(failed.pod), { reason: 'UnexpectedAdmissionError', message: 'no GPU' }),
      { reason: 'StartFailed', message: 'UnexpectedAdmissionError: no GPU' },
    ],
    [
      'a limit that passed before the image came',
      waitingFor(withStatus(deadline.pod, {}), { reason: 'ImagePullBackOff' }, { phase: 'Failed', reason: 'DeadlineExceeded' }),
      { reason: 'ImagePullDeadline' },
    ],
    [
      'a success is one, whatever came for its pod later',
      withStatus(succeeded.pod, { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }] }),
      { reason: 'Completed', exitCode: 0 },
    ],
  ])('%s', (_name, pod, seen) => {
    expect(state({ ...failed.job, status: {} }, pod).observation).toMatchObject({ phase: 'ended', ...seen })
  })
})

describe('waits of a pod', () => {
  test.each<[string, object, string, boolean]>([
    ['ErrImagePull', { message: 'pull access denied, repository does not exist or may require authorization' }, 'ImageRefused', false],
    ['ImagePullBackOff', { message: 'Back-off pulling image "x": ErrImagePull: manifest unknown' }, 'ImageNotFound', false],
    ['ErrImagePull', { message: 'dial tcp: lookup registry.example.org: no such host' }, 'RegistryUnreachable', false],
    ['ImagePullBackOff', {}, 'ImagePullDeadline', false],
    ['InvalidImageName', {}, 'ImageNotFound', true],
    ['CreateContainerConfigError', { message: 'container has runAsNonRoot and image will run as root' }, 'UserRefused', true],
    [
      'CreateContainerConfigError',
      { message: 'failed to prepare subPath for volumeMount "storebase" of container "job"' },
      'MountRefused',
      false,
    ],
    ['CreateContainerConfigError', { message: 'secret "x" not found' }, 'StartFailed', false],
    ['CreateContainerError', { message: 'failed to generate spec: no command specified' }, 'CommandNotFound', true],
  ])('%s %p: %s', (reason, more, verdict, hopeless) => {
    const early = state(running.job, waitingFor(running.pod, { reason, ...more }))
    expect(early.observation).toMatchObject({ phase: 'waiting', message: expect.stringContaining(reason) as string })
    expect(early.verdict?.reason).toBe(hopeless ? verdict : undefined)
    const late = state(running.job, waitingFor(running.pod, { reason, ...more }, { startTime: new Date(NOW - BUDGET) }))
    expect(late.verdict?.reason).toBe(verdict)
  })

  test('the budget begins when the pod has its network', () => {
    const conditions = [{ type: 'PodReadyToStartContainers', status: 'True', lastTransitionTime: new Date(NOW - 1000) }]
    const pod = waitingFor(running.pod, { reason: 'ErrImagePull' }, { startTime: new Date(NOW - 10 * BUDGET), conditions })
    expect(state(running.job, pod).verdict).toBeUndefined()
  })

  test('for its volumes: its events are asked', () => {
    const pod = waitingFor(running.pod, { reason: 'ContainerCreating' })
    expect(state(running.job, pod)).toMatchObject({ observation: { phase: 'waiting' }, ask: { kind: 'Pod', uid: pod.metadata?.uid } })
  })
})

describe('a Job', () => {
  const noPods = { ...running.job, status: {} }
  test.each<[string, Judgement, object]>([
    ['that was never released', state(suspended(annotated(noPods, { [RELEASED]: 'no' }))), { observation: { kind: 'inert' } }],
    [
      'that is suspended after its release',
      state(suspended(noPods)),
      { observation: { phase: 'waiting', message: 'its Job was suspended by someone else' } },
    ],
    ['without pods yet', state(noPods), { observation: { phase: 'waiting' }, ask: { kind: 'Job', uid: noPods.metadata?.uid } }],
    ['that is gone', state(undefined), { observation: { kind: 'absent' } }],
    ['that is gone, but not its pod', state(undefined, running.pod), { observation: { phase: 'running' } }],
    [
      'that is gone, and whose pod tells the end',
      state(undefined, failed.pod),
      { observation: { phase: 'ended', reason: 'NonZeroExit', exitCode: 3 } },
    ],
    ['that is being deleted', state(deleting(running.job), running.pod), { observation: { phase: 'stopping' } }],
    ['that is being deleted, without pods', state(deleting(running.job)), { observation: { phase: 'stopping' } }],
    [
      'whose pod is being deleted',
      state(running.job, withMetadata(running.pod, { deletionTimestamp: new Date(NOW) })),
      { observation: { phase: 'stopping' } },
    ],
    [
      'that has failed, its pod gone',
      state(failed.job),
      { observation: { phase: 'ended', reason: 'KilledBySignal', message: expect.stringMatching(/exit code with it/) as string } },
    ],
    ['that is complete, its pod gone', state(succeeded.job), { observation: { phase: 'ended', reason: 'Completed', exitCode: 0 } }],
    ['that has failed while its pod still ends', state(failed.job, running.pod), { observation: { phase: 'stopping' } }],
    [
      'that is being given up',
      state(annotated(noPods, { [VERDICT]: verdictText({ reason: 'PolicyRefused', message: 'no: never' }) })),
      { observation: { phase: 'waiting', message: 'it is being withdrawn: no: never' } },
    ],
    [
      'that was given up',
      state(annotated(failed.job, { [VERDICT]: verdictText({ reason: 'PolicyRefused', message: 'no: never' }) })),
      { observation: { phase: 'ended', reason: 'PolicyRefused', message: 'no: never' } },
    ],
    [
      'that was to be given up, but had begun',
      state(annotated(failed.job, { [VERDICT]: 'ImageNotFound x' }), failed.pod),
      { observation: { phase: 'ended', reason: 'NonZeroExit', exitCode: 3 } },
    ],
  ])('%s', (_name, seen, expected) => {
    expect(seen).toMatchObject(expected)
  })
})

describe('several workers', () => {
  const two = workers({ ...running.job, status: {} }, 2)
  const pods = { s: succeeded.pod, f: failed.pod, r: running.pod, w: waitingFor(running.pod, { reason: 'ContainerCreating' }) }
  test.each<[string, (keyof typeof pods)[], object]>([
    ['both wait', ['w', 'w'], { phase: 'waiting' }],
    ['one waits', ['w', 'r'], { phase: 'running' }],
    ['one has ended', ['s', 'r'], { phase: 'running' }],
    ['one has ended, one waits', ['s', 'w'], { phase: 'running' }],
    ['one has failed, one runs', ['f', 'r'], { phase: 'running' }],
    ['only one is there yet', ['s'], { phase: 'running' }],
    ['both have succeeded', ['s', 's'], { phase: 'ended', reason: 'Completed', exitCode: 0 }],
    ['one has failed', ['s', 'f'], { phase: 'ended', reason: 'NonZeroExit', exitCode: 3, message: 'worker 1' }],
  ])('%s', (_name, names, seen) => {
    expect(state(two, ...names.map((name, index) => ofWorker(pods[name], index))).observation).toMatchObject({ kind: 'state', ...seen })
  })
})
