import * as fc from 'fast-check'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import { labelsOf, LABEL, ownerOf } from '../../../lib/backends/cromwell/labels.ts'
import { isOwnId, parseRef, refOf, uuid5, workflowId } from '../../../lib/backends/cromwell/ref.ts'
import { problemsOf, runtimeOf } from '../../../lib/backends/cromwell/runtime.ts'
import { refusalOf, submissionOf, submit } from '../../../lib/backends/cromwell/submission.ts'
import { multipart, type CromwellApi, type Submission, type SubmissionParts } from '../../../lib/engines/cromwell-api.ts'
import type { Mount } from '../../../lib/jobs/types.ts'
import { call, DEPLOYMENT, driver, job, spec } from './jobs.ts'

const storebase = '/srv/chris'
const options = { storebase, directories: 'own', partition: undefined } as const
const mounts = (input: string, output: string): Mount[] => [
  { field: 'input_dir', source: input, target: '/share/incoming', readOnly: true },
  { field: 'output_dir', source: output, target: '/share/outgoing', readOnly: false },
]
const HOSTILE = ["x'y", 'x"y', 'x y', 'x\ny', 'x;y', '$(id)', '`id`', '${x}', '~{x}', 'x|y', 'x&y', 'x>y', 'x\\y', 'é', '-', 'x*', 'x#y', 'x\u0000y', 'x!y']

describe('runtime attributes', () => {
  test('every one that a job can have', () => {
    const asked = { cpuLimit: 1001, memoryLimit: 4000, gpuLimit: 2, timeLimit: 61, workers: 3, mounts: mounts('key-1/incoming', 'key-1/outgoing') }
    expect(runtimeOf(job(asked, { user: { uid: 1000, gid: 2000 } }), { storebase: `${storebase}/`, partition: 'gpu_long' })).toEqual({
      docker: 'docker.io/fnndsc/pl-simpledsapp:2.1.0',
      inputdir: '/srv/chris/key-1/incoming',
      outputdir: '/srv/chris/key-1/outgoing',
      sharedir: '/srv/chris/key-1',
      cpu: '2',
      memory: '4000M',
      gpu_limit: '2',
      number_of_workers: '3',
      timelimit: '2',
      slurm_partition: 'gpu_long',
      uid: '1000',
      gid: '2000',
      maxRetries: '0',
    })
  })

  test('none that nobody has asked for', () => {
    expect(runtimeOf(job(), options)).toEqual({ docker: spec().image, gpu_limit: '0', number_of_workers: '1', maxRetries: '0' })
  })

  test.each<[string, Mount[], object]>([
    ['one parent', mounts('a/incoming', 'a/outgoing'), { sharedir: '/srv/chris/a' }],
    ['two parents', mounts('a/incoming', 'b/outgoing'), {}],
    ['other names', mounts('a/in', 'a/out'), {}],
    ['names that only end so', mounts('a/xincoming', 'a/xoutgoing'), {}],
    ['the storebase itself', mounts('incoming', 'outgoing'), { sharedir: '/srv/chris' }],
  ])('sharedir: %s', (_name, asked, expected) => {
    const { inputdir, outputdir, sharedir } = runtimeOf(job({ mounts: asked }), options)
    expect([inputdir, outputdir]).toEqual(asked.map(({ source }) => `${storebase}/${source}`))
    expect(sharedir).toBe((expected as { sharedir?: string }).sharedir)
  })

  test('one directory at /share, as before pman v6', () => {
    const one: Mount[] = [{ field: 'jid', source: 'key-1', target: '/share', readOnly: false }]
    expect(runtimeOf(job({ mounts: one }), options)).toMatchObject({ sharedir: '/srv/chris/key-1' })
    expect(problemsOf(spec({ mounts: one }), { ...options, directories: 'parent' })).toEqual([])
  })

  test('what is not a number is not written', () => {
    expect(() => runtimeOf(job({ gpuLimit: Number.NaN }), options)).toThrow()
    expect(() => runtimeOf(job({}, { user: { uid: -1, gid: 0 } }), options)).toThrow()
  })
})

describe('what is refused, by its field', () => {
  test.each(HOSTILE)('an image, or a path, with %j', (text) => {
    expect(problemsOf(spec({ image: `docker.io/${text}` }), options).map(([field]) => field)).toEqual(['image'])
    if (text !== '-') expect(problemsOf(spec({ mounts: mounts(`a/${text}`, 'b') }), options).map(([field]) => field)).toEqual(['input_dir'])
  })

  test.each(['a', 'a/b', 'a.b/c', 'host:5000/a', 'host:443/a', 'localhost:12345/a/b:tag', 'a_b-c/d.e:1.0_x', `a@sha256:${'0'.repeat(64)}`, `a:1@sha256:${'0'.repeat(64)}`])(
    'not the image %s',
    (image) => expect(problemsOf(spec({ image }), options)).toEqual([]),
  )
  test.each(['', 'A', 'a__b', 'Host.io/a', 'host:80/a', 'host:123456/a', 'a//b', '/a', 'a/', 'a:', '-a', 'a-/b', 'a b'])(
    'the image %j, which Cromwell does not take',
    (image) => expect(problemsOf(spec({ image }), options).map(([field]) => field)).toEqual(['image']),
  )

  test.each<[string, Parameters<typeof spec>[0], string]>([
    ['no program', { entrypoint: [] }, 'entrypoint'],
    ['an empty program', { entrypoint: [''] }, 'entrypoint'],
    ['a program that env would take for a variable', { entrypoint: ['A=B'] }, 'entrypoint'],
    ['a NUL', { args: ['a\0b'] }, 'args'],
    ['another place', { mounts: [{ field: 'input_dir', source: 'a', target: '/data', readOnly: true }] }, 'input_dir'],
    ['a way up', { mounts: mounts('a/../b', 'c') }, 'input_dir'],
  ])('%s', async (_name, change, field) => {
    expect(problemsOf(spec(change), options).map(([name]) => name)).toEqual([field])
    const backend = driver('http://127.0.0.1:1')
    for (const refused of [backend.check?.(spec(change), call()), backend.create(job(change), undefined, call())]) {
      await expect(refused).rejects.toMatchObject({ name: 'EngineRejected', fields: { [field]: expect.any(String) as string } })
    }
  })

  test('directories without a common parent, where the site knows no other way', () => {
    const parent = { ...options, directories: 'parent' } as const
    expect(problemsOf(spec({ mounts: mounts('a/incoming', 'b/outgoing') }), parent).map(([field]) => field)).toEqual(['input_dir', 'output_dir'])
    expect(problemsOf(spec({ mounts: mounts('a/incoming', 'a/outgoing') }), parent)).toEqual([])
  })
})

describe('labels', () => {
  const jidOf = fc.string({ unit: 'binary', minLength: 1, maxLength: 255 }).filter((text) => !/\p{Cs}/u.test(text))

  test('say whose a workflow is, whatever the jid: in ASCII, within 255 characters each', () => {
    const property = fc.property(jidOf, fc.string(), (jid, deployment) => {
      const made = job({}, { owner: { deployment, compute: 'hpc', jid, generation: 12, specHash: 'ff' } })
      const labels = labelsOf(made)
      expect(ownerOf(labels)).toEqual({ kind: 'labelled', engineName: made.engineName, owner: made.owner })
      for (const text of Object.entries(labels).flat()) expect(text).toMatch(/^[!-~]{0,255}$/)
    })
    fc.assert(property, { numRuns: 300, examples: [['🦊'.repeat(255), 'd'], ['a ', 'd'], ['~{x} $(id) %41', 'd']] })
  })

  test("the site's own are there, and never in the place of ours", () => {
    const labels = labelsOf(job({}, { siteLabels: { 'job-origin': 'pman', 'a:b[c': 'd é', [LABEL.deployment]: 'other', '': 'x' } }))
    expect(labels).toMatchObject({ 'job-origin': 'pman', 'a%3ab%5bc': 'd%20%c3%a9', [LABEL.deployment]: DEPLOYMENT })
    expect(Object.keys(labels)).not.toContain('')
  })

  test.each<[string, Record<string, string>, object]>([
    ["pman's own", { [LABEL.jid]: 'chris-jid-1', 'cromwell-workflow-id': 'cromwell-x' }, { kind: 'pman', jid: 'chris-jid-1' }],
    ['none yet', { 'cromwell-workflow-id': 'cromwell-x' }, { kind: 'unlabelled' }],
    ['half of them', { [LABEL.engineName]: 'x', [LABEL.deployment]: 'y', [LABEL.jid]: 'z' }, { kind: 'unlabelled' }],
  ])('%s', (_name, labels, expected) => expect(ownerOf(labels)).toEqual(expected))
})

describe('ids and refs', () => {
  test('UUIDv5, by the example of RFC 9562, appendix A.4', () => {
    expect(uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')).toBe('2ed6657d-e927-568b-95e1-2665a8aea6a2')
  })

  test('an id is of one deployment and one engine name', () => {
    const id = workflowId('d', 'job-abc')
    const named = parseRef(refOf('job-abc', id))
    expect(named).toEqual({ ref: `job-abc.${id}`, id, engineName: 'job-abc' })
    if (named === undefined) throw new Error('no ref')
    expect(isOwnId(named, 'd')).toBe(true)
    expect(isOwnId(named, 'e')).toBe(false)
    expect(isOwnId({ ...named, engineName: 'job-abd' }, 'd')).toBe(false)
    expect(isOwnId({ ...named, engineName: undefined }, 'd')).toBe(false)
  })

  test.each(['', 'x', 'a.b', '../x', 'job.', `JOB.${workflowId('d', 'x')}`, `job.${workflowId('d', 'x')}/abort`])('%j is no ref', (ref) => expect(parseRef(ref)).toBeUndefined())
})

describe('a submission', () => {
  const given = { ...options, url: 'http://x', hogGroup: 'pman', logBytes: 100, summaryGrace: 0 }
  const parts = submissionOf(job(), given)

  test('is on hold, is answered from no cache, and starts together with others', () => {
    expect(parts).toMatchObject({ workflowOnHold: 'true', workflowInputs: '{}', workflowType: 'WDL', workflowTypeVersion: '1.0' })
    expect(JSON.parse(parts.workflowOptions ?? '')).toEqual({ read_from_cache: false, write_to_cache: false, hogGroup: 'pman' })
  })

  test('holds nothing of the caller but in octal and in labels', () => {
    const hostile = '$(touch /pwned) ~{x}\n\'"'
    const text = JSON.stringify(submissionOf(job({ args: [hostile], env: [`A=${hostile}`], auid: hostile }, { owner: { ...job().owner, jid: hostile } }), given))
    expect(text).not.toContain('touch /pwned')
    expect(text).toContain('%20/pwned')
  })

  test('as a form', () => {
    const { body, headers } = multipart({ a: 'x\ny', b: '' }, 'zz')
    expect(headers['content-type']).toBe('multipart/form-data; boundary=zz')
    expect(body).toBe('--zz\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\ny\r\n--zz\r\nContent-Disposition: form-data; name="b"\r\n\r\n\r\n--zz--\r\n')
    expect(() => multipart({ a: 'x zz y' }, 'zz')).toThrow('boundary')
  })

  const id = workflowId('d', 'n')
  const MYSQL = `(conn=6) Duplicate entry '${id}' for key 'UC_WORKFLOW_STORE_ENTRY_WEU'`
  const HSQLDB = 'integrity constraint violation: unique constraint or index violation; UC_WORKFLOW_STORE_ENTRY_WEU table: WORKFLOW_STORE_ENTRY'
  test.each([
    ['Error(s): Unexpected body part name: requestedWorkflowId', 'takes no id'],
    [`Requested workflow IDs are already in use: ${id}`, 'is there'],
    [MYSQL, 'is there'],
    [HSQLDB, 'is there'],
    ['Error(s): Invalid label: `` can\'t be empty', 'refused'],
    ['(conn=7) Connection is not available', 'trouble'],
    ['', 'trouble'],
  ])('refused with %j', (message, means) => expect(refusalOf(message)).toBe(means))

  const answering = (...answers: Submission[]) => {
    const sent: SubmissionParts[] = []
    const api = { submit: async (asked: SubmissionParts) => (sent.push(asked), answers.shift()) } as unknown as CromwellApi
    return { sent, done: submit(api, parts, id, call()) }
  }
  const no = (refused: string): Submission => ({ status: 400, refused })
  const other = '00000000-0000-4000-8000-000000000001'

  test('with an id of ours', async () => {
    const { sent, done } = answering({ id, status: 'On Hold' })
    expect(await done).toBe(id)
    expect(sent).toEqual([{ ...parts, requestedWorkflowId: JSON.stringify(id) }])
  })
  test('that is there already', async () => expect(await answering(no(MYSQL)).done).toBe(id))
  test('where none can be asked for', async () => {
    const { sent, done } = answering(no('Error(s): Unexpected body part name: requestedWorkflowId'), { id: other, status: 'On Hold' })
    expect(await done).toBe(other)
    expect(sent[1]).toEqual(parts)
  })
  test.each<[string, Submission[], boolean]>([
    ['content', [no('Error(s): bad')], true],
    ['size', [{ status: 413, refused: 'too large' }], true],
    ['the database', [no('timed out')], false],
    ['the database, without an id', [no('Error(s): Unexpected body part name: requestedWorkflowId'), no('timed out')], false],
    ['content, without an id', [no('Error(s): Unexpected body part name: requestedWorkflowId'), no('Error(s): bad')], true],
    ['a server that does not hold', [{ id, status: 'Submitted' }], false],
  ])('that fails for %s', async (_name, answers, rejected) => {
    const error: unknown = await answering(...answers).done.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Error)
    expect(error instanceof EngineRejected).toBe(rejected)
  })
})
