import * as fc from 'fast-check'
import type { EngineJob, StorageSettings } from '../../../lib/backends/contract.ts'
import { kubernetes } from '../../../lib/backends/kubernetes/index.ts'
import { siteLabelsOf } from '../../../lib/backends/kubernetes/labels.ts'
import { jobManifest, literally, runAsUser } from '../../../lib/backends/kubernetes/manifest.ts'
import { parseOptions } from '../../../lib/backends/kubernetes/options.ts'
import { openshift } from '../../../lib/backends/openshift/index.ts'

const claim: StorageSettings = { type: 'kubernetes_pvc', volume: 'storebase' }
const options = (more: Record<string, unknown> = {}) =>
  parseOptions({ options: { namespace: 'n', server: 'https://k', ...more }, storage: claim })

const job: EngineJob = {
  engineName: 'job-a',
  owner: { deployment: 'd', compute: 'c', jid: 'ž/x', generation: 2, specHash: 'h' },
  spec: {
    image: 'example.org/i:1',
    entrypoint: ['run', '$(X)'],
    args: ['$$'],
    env: ['A=$(B)'],
    mounts: [{ field: 'output_dir', source: 'a/b', target: '/share/outgoing', readOnly: false }],
    workers: 3,
    cpuLimit: 0,
    memoryLimit: 0,
    gpuLimit: 0,
    timeLimit: 0,
    auid: '',
  },
  argv: ['run', '$(X)', '$$'],
  env: ['A=$(B)', 'CPU_LIMIT=mine'],
  limits: { cpu: 1500, memory: 200, gpu: 2, time: 60 },
  user: { uid: 1001, gid: 1002 },
  siteLabels: { team: 'x' },
  shmSizeMiB: 64,
}

test('a Job runs once, is made suspended, and has no rights that it does not need', () => {
  const tolerations = [{ key: 'gpu', operator: 'Exists' }]
  const site = options({ imagePullSecrets: ['s'], nodeSelector: { gpu: 'yes' }, tolerations, priorityClassName: 'low' })
  const { metadata, spec } = jobManifest(job, site, claim, runAsUser)
  expect(metadata?.labels).toMatchObject({ 'job-origin': 'pman', team: 'x' })
  expect(metadata?.labels).toMatchObject({ 'pman-serverless/deployment': 'd', 'pman-serverless/generation': '2' })
  expect(metadata?.annotations).toMatchObject({ 'pman-serverless/jid': 'ž/x', 'pman-serverless/released': 'no' })
  expect(spec).toMatchObject({ suspend: true, parallelism: 3, completions: 3, completionMode: 'Indexed' })
  expect(spec).toMatchObject({ backoffLimit: 0, podReplacementPolicy: 'Failed', ttlSecondsAfterFinished: 2_592_000 })
  expect(spec?.template.metadata?.labels).toEqual(metadata?.labels)
  expect(spec?.template.spec).toMatchObject({
    restartPolicy: 'Never',
    activeDeadlineSeconds: 60,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { seccompProfile: { type: 'RuntimeDefault' }, runAsUser: 1001, runAsGroup: 1002, fsGroup: 1002, runAsNonRoot: true },
    nodeSelector: { gpu: 'yes' },
    imagePullSecrets: [{ name: 's' }],
    tolerations: [{ key: 'gpu', operator: 'Exists' }],
    priorityClassName: 'low',
    volumes: [{ persistentVolumeClaim: { claimName: 'storebase' } }, { emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } }],
  })
  const [container] = spec?.template.spec?.containers ?? []
  const amounts = { cpu: '1500m', memory: '200Mi', 'nvidia.com/gpu': '2' }
  expect(container).toMatchObject({
    command: ['run', '$$(X)'],
    args: ['$$$$'],
    env: [
      { name: 'NUMBER_OF_WORKERS', value: '3' },
      { name: 'CPU_LIMIT', value: 'mine' },
      { name: 'MEMORY_LIMIT', value: '200Mi' },
      { name: 'A', value: '$$(B)' },
    ],
    resources: { requests: amounts, limits: amounts },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    volumeMounts: [{ mountPath: '/share/outgoing', subPath: 'a/b', readOnly: false }, { mountPath: '/dev/shm' }],
  })
})

test('an image keeps its ENTRYPOINT where the request names none, and root is not refused where a site wants it', () => {
  const { spec } = jobManifest({ ...job, spec: { ...job.spec, entrypoint: [] }, user: { uid: 0, gid: 0 } }, options(), claim, runAsUser)
  expect(spec?.template.spec?.containers[0]).not.toHaveProperty('command')
  expect(spec?.template.spec?.securityContext).toEqual({
    seccompProfile: { type: 'RuntimeDefault' },
    runAsUser: 0,
    runAsGroup: 0,
    fsGroup: 0,
    fsGroupChangePolicy: 'OnRootMismatch',
  })
})

test.each([
  [{ type: 'nfs', storebase: '/export', nfsServer: 'files' }, { nfs: { server: 'files', path: '/export' } }],
  [{ type: 'host', storebase: '/data' }, { hostPath: { path: '/data', type: 'Directory' } }],
])('the storebase on %p', (storage, volume) => {
  expect(jobManifest(job, options(), storage, runAsUser).spec?.template.spec?.volumes?.[0]).toMatchObject(volume)
})

/** Kubernetes' own expansion (third_party/forked/golang/expansion): `$$` is `$`, `$(NAME)` a value or itself. */
const expanded = (word: string, values: Record<string, string>): string =>
  word.replace(/\$(\$|\(([^)]*)\))/g, (all, what: string, name: string) => (what === '$' ? '$' : (values[name] ?? all)))

test('every word survives Kubernetes\' expansion', () => {
  const words = fc.array(fc.constantFrom('$', '(', ')', 'X', '$(X)', '$$', 'a'), { maxLength: 12 }).map((parts) => parts.join(''))
  fc.assert(fc.property(words, (word) => expanded(literally(word), { X: 'no' }) === word))
})

test('site labels are what Kubernetes takes, or left out', () => {
  const label = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.string({ maxLength: 100 })), (labels) => {
    for (const [key, value] of Object.entries(siteLabelsOf(labels))) {
      expect(value).toMatch(label)
      expect(key.split('/').at(-1)).toMatch(/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/)
    }
  }))
})

test.each<[Record<string, unknown>, StorageSettings, string[]]>([
  [{ namespace: 'n' }, claim, []],
  [{ inCluster: true }, claim, []],
  [{}, claim, ['options.namespace: is needed, unless options.inCluster is true']],
  [{ namespace: 'N!' }, claim, ['options.namespace: must be a namespace: a-z, 0-9 and -, at most 63']],
  [{ namespace: 'n', server: 'http://k' }, claim, ['options.server: must be https://host:port']],
  [{ namespace: 'n', nosuch: 1 }, claim, ['options.nosuch: there is no such setting']],
  [{ namespace: 'n', nodeSelector: 'a' }, claim, ['options.nodeSelector: must be names with their values']],
  [{ namespace: 'n', ttlSecondsAfterFinished: 60 }, claim, ['options.ttlSecondsAfterFinished: must be at least 86400']],
  [{ namespace: 'n' }, { type: 'docker_local_volume' }, ['storage.type: must be one of kubernetes_pvc, host, nfs']],
])('problems of %j with %j', (given, storage, found) => {
  expect(kubernetes.problems({ options: given, storage })).toEqual(found)
})

test('a project is a namespace, and is given once', () => {
  expect(openshift.problems({ options: { project: 'p' }, storage: claim })).toEqual([])
  const both = { project: 'p', namespace: 'n' }
  expect(openshift.problems({ options: both, storage: claim })).toEqual(['options.project: there is no such setting'])
})
