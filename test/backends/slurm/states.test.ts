import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { plainCodec } from '../../../lib/engines/slurm-codec-plain.ts'
import { wrappedCodec } from '../../../lib/engines/slurm-codec-wrapped.ts'
import type { SlurmJob } from '../../../lib/engines/slurm-codec.ts'
import { accountedObservation, observationOf } from '../../../lib/backends/slurm/observe.ts'

/** Answers of SLURM 22.05.8, as they came, without `job_resources`. */
const recorded = (name: string): SlurmJob => {
  const { jobs } = JSON.parse(readFileSync(join(import.meta.dirname, 'recorded', `${name}.json`), 'utf8')) as { jobs: unknown[] }
  return plainCodec.job(jobs[0])
}
const told = (job: SlurmJob) => {
  const seen = observationOf(job)
  if (seen.kind !== 'state') return [seen.kind]
  return seen.phase === 'ended' ? [seen.reason, seen.exitCode] : [seen.phase]
}

test.each<[string, unknown[]]>([
  ['ok-job', ['Completed', 0]],
  ['fail-job', ['NonZeroExit', 3]],
  ['oom-job', ['OutOfMemory', undefined]],
  ['cancel-job', ['StoppedOutside', 143]],
  ['timeout-job', ['TimeLimit', 143]],
  ['launchfail-job', ['StartFailed', undefined]],
  ['blocked-job', ['withdrawn']],
  ['running', ['running']],
  ['pending', ['waiting']],
])('recorded on 22.05: %s', (name, expected) => {
  expect(told(recorded(name))).toEqual(expected)
})

const base: SlurmJob = {
  ...{ id: 7, name: 'n', user: 'u', submitTime: 100, states: ['RUNNING'], reason: 'None', description: '', comment: '', restarts: 0 },
  ...{ startTime: 200, endTime: 300, exit: { code: 0, signal: 0 }, nodes: 'node1' },
}

test.each<[string, Partial<SlurmJob>, unknown[]]>([
  ['held by us', { states: ['PENDING'], reason: 'JobHeldUser', nodes: '' }, ['inert']],
  ['held by an administrator', { states: ['PENDING'], reason: 'JobHeldAdmin', nodes: '' }, ['waiting']],
  ['too big for every node', { states: ['PENDING'], reason: 'BadConstraints', nodes: '' }, ['waiting']],
  ['held after a run', { states: ['PENDING'], reason: 'JobHeldUser', restarts: 1 }, ['waiting']],
  ['requeued and held', { states: ['PENDING', 'REQUEUE_HOLD'], reason: 'JobHeldUser' }, ['waiting']],
  ['special exit', { states: ['SPECIAL_EXIT'] }, ['waiting']],
  ['being configured', { states: ['RUNNING', 'CONFIGURING'] }, ['waiting']],
  ['suspended', { states: ['SUSPENDED'] }, ['running']],
  ['completing, as a flag', { states: ['FAILED', 'COMPLETING'] }, ['stopping']],
  ['node failure', { states: ['NODE_FAIL'], exit: { code: 0, signal: 0 } }, ['HostLost', undefined]],
  ['preempted', { states: ['PREEMPTED'], exit: { code: 0, signal: 15 } }, ['Preempted', 143]],
  ['boot failure', { states: ['BOOT_FAIL'], nodes: '' }, ['BootFailed', undefined]],
  ['deadline', { states: ['DEADLINE'], exit: { code: 0, signal: 15 } }, ['EngineDeadline', 143]],
  ['revoked', { states: ['REVOKED'] }, ['Evicted', undefined]],
  ['launch failure', { states: ['LAUNCH_FAILED'] }, ['StartFailed', undefined]],
  ['cancelled while it ran, with exit 0', { states: ['CANCELLED'] }, ['StoppedOutside', undefined]],
  ['cancelled before it had a place', { states: ['CANCELLED'], nodes: '' }, ['withdrawn']],
  ['a signal', { states: ['FAILED'], exit: { code: 0, signal: 11 } }, ['KilledBySignal', 139]],
  ['exit 127', { states: ['FAILED'], exit: { code: 127, signal: 0 } }, ['CommandNotFound', 127]],
  ['exit 126', { states: ['FAILED'], exit: { code: 126, signal: 0 } }, ['NotExecutable', 126]],
  ['failed without an exit', { states: ['FAILED'], exit: { code: 0, signal: 0 } }, ['StartFailed', undefined]],
  ['a word of a later SLURM', { states: ['RUNNING', 'FROLICKING'] }, ['unknown']],
  ['no state', { states: [] }, ['unknown']],
])('%s', (_name, job, expected) => {
  expect(told({ ...base, ...job })).toEqual(expected)
})

test('no end that SLURM has made itself counts as exit 0, which the core would take for the job\'s own success', () => {
  for (const state of ['CANCELLED', 'TIMEOUT', 'PREEMPTED', 'DEADLINE', 'NODE_FAIL', 'OUT_OF_MEMORY', 'BOOT_FAIL', 'FAILED']) {
    expect(told({ ...base, states: [state] })).not.toContain(0)
  }
})

test('a wait tells why', () => {
  const seen = observationOf({ ...base, states: ['PENDING'], reason: 'PartitionTimeLimit', nodes: '' })
  expect(seen).toMatchObject({ message: 'its time limit is above that of its partition: PartitionTimeLimit' })
})

test('times are milliseconds, and those that are not yet are left out', () => {
  expect(observationOf({ ...base, states: ['COMPLETED'] })).toMatchObject({ startedAt: 200_000, finishedAt: 300_000 })
  expect(observationOf({ ...base, states: ['PENDING'], reason: 'Priority' })).not.toHaveProperty('startedAt')
})

describe('the shape of v0.0.40 to 44, by slurm.schedmd.com/rest_release_notes.html', () => {
  const number = (value: number, set = true) => ({ set, infinite: false, number: value })
  const job = {
    ...{ job_id: 7, name: 'n.d', user_name: 'u', submit_time: number(100), start_time: number(200), end_time: number(300), nodes: 'node1' },
    ...{ job_state: ['FAILED'], state_reason: 'NonZeroExitCode', state_description: '', comment: 'c', restart_cnt: 0 },
  }
  test.each([
    ['v0.0.40', { signal_id: 0, name: 'NONE' }],
    ['v0.0.41 on', { id: number(0, false), name: '' }],
  ])('an exit code of %s', (_version, signal) => {
    const read = wrappedCodec.job({ ...job, exit_code: { status: ['ERROR'], return_code: number(3), signal } })
    expect(read).toEqual({ ...base, name: 'n.d', states: ['FAILED'], reason: 'NonZeroExitCode', exit: { code: 3, signal: 0 }, comment: 'c' })
  })

  test('a signal, several states, and a number that is not set', () => {
    const exit_code = { status: ['SIGNALED'], return_code: number(0, false), signal: { id: number(9), name: 'KILL' } }
    const read = wrappedCodec.job({ ...job, job_state: ['CANCELLED', 'COMPLETING'], end_time: number(0, false), exit_code })
    expect(read).toMatchObject({ states: ['CANCELLED', 'COMPLETING'], exit: { code: 0, signal: 9 }, endTime: undefined })
    expect(told(read)).toEqual(['stopping'])
  })

  test('a submission', () => {
    const asked = { name: 'n', script: '#!/bin/sh\n', environment: { A: 'b=c' }, workingDirectory: '/tmp', output: '/o', comment: 'c', tasks: 2 }
    const more = { cpusPerTask: 3, memory: { perCpu: 100 }, gres: 'gpu:1', minutes: 5, partition: 'p', account: undefined, qos: undefined }
    expect(wrappedCodec.submission({ ...asked, ...more })).toEqual({
      job: {
        ...{ script: '#!/bin/sh\n', name: 'n', hold: true, requeue: false, environment: ['A=b=c'], current_working_directory: '/tmp' },
        ...{ standard_output: '/o', standard_error: '/dev/null', comment: 'c', tasks: 2, cpus_per_task: 3, memory_per_cpu: number(100), tres_per_node: 'gres/gpu:1' },
        ...{ time_limit: number(5), partition: 'p' },
      },
    })
    expect(plainCodec.submission({ ...asked, ...more })).toEqual({
      script: '#!/bin/sh\n',
      job: {
        ...{ name: 'n', hold: true, no_requeue: true, environment: { A: 'b=c' }, current_working_directory: '/tmp', standard_output: '/o', standard_error: '/dev/null' },
        ...{ comment: 'c', tasks: 2, cpus_per_task: 3, memory_per_cpu: 100, gres: 'gpu:1', time_limit: 5, partition: 'p' },
      },
    })
  })

  test('what accounting remembers, recorded on 22.05: whose it was is not told without an association', () => {
    const { jobs } = JSON.parse(readFileSync(join(import.meta.dirname, 'recorded', 'accounted.json'), 'utf8')) as { jobs: unknown[] }
    const job = plainCodec.accounted(jobs[0])
    expect(job).toMatchObject({ user: '', exit: undefined, nodes: expect.stringMatching(/^node\d$/) as string })
    expect(accountedObservation(job)).toMatchObject({ phase: 'ended' })
    const waited = { ...job, states: ['CANCELLED'], nodes: 'None assigned' }
    expect(accountedObservation(waited)).toMatchObject({ phase: 'withdrawn' })
  })

  test.each([
    ['plain', plainCodec, { job_id: 7, name: 'n', user: 'u', state: { current: 'FAILED', reason: 'None' }, time: { submission: 100, start: 200, end: 300 } }],
    ['wrapped', wrappedCodec, { job_id: 7, name: 'n', user: 'u', state: { current: ['FAILED'], reason: 'None' }, time: { submission: 100, start: 200, end: 300 } }],
  ])('what accounting remembers, %s: without an exit code, FAILED is no success, and no made-up code', (_shape, codec, json) => {
    const seen = accountedObservation(codec.accounted(json))
    expect(seen).not.toHaveProperty('exitCode')
    expect(seen).toMatchObject({ phase: 'ended', reason: 'NonZeroExit', finishedAt: 300_000 })
    expect(accountedObservation({ ...codec.accounted(json), states: ['RUNNING'] })).toMatchObject({ kind: 'unknown' })
  })
})
