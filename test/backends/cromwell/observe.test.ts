import type { Workflow } from '../../../lib/engines/cromwell-api.ts'
import { failureReason } from '../../../lib/backends/cromwell/failures.ts'
import { LABEL } from '../../../lib/backends/cromwell/labels.ts'
import { isOver, needsMetadata, observationOf } from '../../../lib/backends/cromwell/observe.ts'
import { CALL, EXIT_CODE } from '../../../lib/backends/cromwell/wdl.ts'

const START = '2026-01-02T03:04:05.000Z'
const END = '2026-01-02T03:05:05.000Z'
const times = { startedAt: Date.parse(START), finishedAt: Date.parse(END) }
const just = Date.parse(END) + 1000
const later = Date.parse(END) + 3_600_000

const withCall = (attempt: object, more: Workflow = {}): Workflow => ({ start: START, calls: { [CALL]: [attempt] }, ...more })
const told = (workflow: Workflow, { pman = false, now = just } = {}) => observationOf({ workflow, pman, now })
const state = (phase: string, more: object = {}) => ({ kind: 'state', phase, ...more })
const withdrawnLabel = { labels: { [LABEL.withdrawn]: 'yes' } }

describe('what each status says', () => {
  test.each<[string, Workflow, object]>([
    ['On Hold', { status: 'On Hold' }, { kind: 'inert' }],
    ['On Hold, withdrawn', { status: 'On Hold', ...withdrawnLabel }, state('withdrawn')],
    ['Submitted', { status: 'Submitted' }, state('waiting')],
    ['Submitted, withdrawn', { status: 'Submitted', ...withdrawnLabel }, state('withdrawn')],
    ['Running without a call', { status: 'Running', start: START }, state('waiting')],
    ['Running, queued', withCall({ executionStatus: 'QueuedInCromwell' }, { status: 'Running' }), state('waiting')],
    ['Running, starting', withCall({ executionStatus: 'Starting' }, { status: 'Running' }), state('waiting')],
    ['Running', withCall({ executionStatus: 'Running', start: START }, { status: 'Running' }), state('running', { startedAt: times.startedAt })],
    ['Running, its call done', withCall({ executionStatus: 'Done' }, { status: 'Running' }), state('running')],
    ['Aborting', { status: 'Aborting', start: START }, state('stopping', { startedAt: times.startedAt })],
    ['Aborted before it was picked up', { status: 'Aborted', submission: START }, state('withdrawn')],
    ['Aborted', { status: 'Aborted', start: START, end: END }, state('ended', { reason: 'KilledBySignal', ...times })],
    ['no status that is known', { status: 'Paused' }, { kind: 'unknown', error: expect.stringContaining('Paused') as string }],
    ['a status by the name of a method', { status: 'toString' }, { kind: 'unknown' }],
  ])('%s', (_name, workflow, expected) => expect(told(workflow)).toMatchObject(expected))

  test.each([
    [0, 'Completed'],
    [1, 'NonZeroExit'],
    [130, 'NonZeroExit'],
    [137, 'NonZeroExit'],
    [143, 'NonZeroExit'],
    [255, 'NonZeroExit'],
  ])('Succeeded with the exit code %i', (exitCode, reason) => {
    const workflow = withCall({ executionStatus: 'Done', start: START, end: END }, { status: 'Succeeded', end: END, outputs: { [EXIT_CODE]: exitCode } })
    expect(told(workflow)).toEqual(state('ended', { reason, exitCode, ...times }))
  })

  test('Succeeded without its outputs: it runs until they are there, and is never a success', () => {
    const workflow = withCall({ executionStatus: 'Running', start: START }, { status: 'Succeeded', end: END, outputs: {} })
    expect(told(workflow)).toMatchObject(state('running'))
    expect(told(workflow, { now: later })).toMatchObject(state('ended', { reason: 'HostLost' }))
    expect(told({ ...workflow, outputs: { [EXIT_CODE]: '0' } })).toMatchObject(state('running'))
    expect(told({ status: 'Succeeded' }, { now: later })).toMatchObject(state('running'))
  })

  test('Failed without its failures: it runs until they are there, for a while', () => {
    const workflow: Workflow = { status: 'Failed', start: START, end: END }
    expect(told(workflow)).toMatchObject(state('running'))
    expect(told(workflow, { now: later })).toMatchObject(state('ended', { reason: 'StartFailed' }))
  })
})

describe('why a workflow has failed', () => {
  const failed = (message: string, attempt: object = {}): Workflow =>
    withCall(attempt, { status: 'Failed', end: END, failures: [{ message: 'Workflow failed', causedBy: [{ message, causedBy: [] }] }] })

  test.each([
    ['EngineRejected', 'Docker image docker.io/a__b has an invalid syntax.', {}],
    ['EngineRejected', 'Runtime attribute validation failed', {}],
    ['StartFailed', "No coercion defined from 'Valid(Containers(List(x)))' of type 'cromwell.backend.validation.Containers' to 'String?'", {}],
    ['StartFailed', 'Unable to start job. Check the stderr file for possible errors: /x/stderr.submit', {}],
    ['StartFailed', 'Could not find job ID from stdout file.Check the stderr file', {}],
    ['KilledBySignal', 'The compute backend terminated the job. If this termination is unexpected, examine likely causes', { jobId: '7' }],
    ['HostLost', 'Job ChRISJob.plugin_instance:NA:1 exited with return code 79 which has not been declared as a valid return code.', { jobId: '7' }],
    ['HostLost', 'anything', { jobId: '7', returnCode: 79 }],
    ['HostLost', 'Unable to determine that 7 is alive, and /x/rc does not exist.', { jobId: '7' }],
    ['HostLost', "Bad output 'plugin_instance.exit_code': IOException: Could not read from /x/gw.rc", { jobId: '7', returnCode: 0 }],
    ['StartFailed', 'Job ChRISJob.plugin_instance:NA:1 exited with return code 125 which has not been declared', { jobId: '7', returnCode: 125 }],
    ['StartFailed', 'something new', {}],
    ['HostLost', 'something new', { jobId: '7' }],
  ])('%s: %s', (reason, message, attempt) => {
    const end = told(failed(message, attempt))
    expect(end).toMatchObject(state('ended', { reason, message }))
    // the code of Cromwell's script is not the job's
    expect(end).not.toHaveProperty('exitCode')
  })

  test('a document that Cromwell does not take', () => {
    const failures = [{ message: 'Workflow input processing failed', causedBy: [{ message: 'ERROR: Unexpected symbol' }, { message: 'ERROR: another' }] }]
    expect(told({ status: 'Failed', failures })).toMatchObject({ reason: 'EngineRejected', message: 'ERROR: Unexpected symbol; ERROR: another' })
  })

  test('no words at all', () => expect(failureReason([], undefined)).toBe('StartFailed'))
})

describe("pman's own workflows", () => {
  test.each<[string, Workflow, object]>([
    ['Succeeded: the code was 0, since nothing else was accepted', { status: 'Succeeded', end: END }, { reason: 'Completed', exitCode: 0 }],
    [
      'Failed with a code: it is the job\'s',
      withCall({ returnCode: 3 }, { status: 'Failed', end: END, failures: [{ message: 'exited with return code 3 which has not been declared' }] }),
      { reason: 'NonZeroExit', exitCode: 3 },
    ],
    [
      'Failed by a signal: the code is gone',
      withCall({ jobId: '7' }, { status: 'Failed', end: END, failures: [{ message: 'The compute backend terminated the job.' }] }),
      { reason: 'KilledBySignal' },
    ],
  ])('%s', (_name, workflow, expected) => expect(told(workflow, { pman: true })).toMatchObject(expected))
})

test('where the status is not enough, and where it is the end', () => {
  const all = ['On Hold', 'Submitted', 'Running', 'Aborting', 'Aborted', 'Succeeded', 'Failed']
  expect(all.filter((status) => needsMetadata({ status }))).toEqual(['Running', 'Succeeded', 'Failed'])
  expect(all.filter((status) => isOver({ status }))).toEqual(['Aborted', 'Succeeded', 'Failed'])
})
