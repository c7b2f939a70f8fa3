import fc from 'fast-check'
import { logText, MAX_ENCODED_LOG } from '../../../lib/dialects/pman/logs.ts'
import { pman } from '../../../lib/dialects/pman/index.ts'
import type { PmanJob } from '../../../lib/dialects/pman/render.ts'
import { PmanError, invalid, ERROR_CODES } from '../../../lib/errors.ts'
import { REASON_NAMES, REASONS } from '../../../lib/jobs/reasons.ts'
import { STATES, type JobRecord, type State } from '../../../lib/jobs/types.ts'

const KEYS = ['jid', 'image', 'cmd', 'status', 'message', 'timestamp', 'logs']
const AT = Date.UTC(2026, 4, 6, 7, 8, 9, 120)

const record = (changes: Partial<JobRecord> = {}): JobRecord => ({
  schemaVersion: 1,
  compute: 'c',
  jid: 'j',
  generation: 1,
  state: 'running',
  warnings: [],
  createdAt: 0,
  stateSince: 0,
  specHash: 'h',
  requestId: 'r',
  image: 'fnndsc/pl-dircopy',
  auid: 'cube',
  engineName: 'n',
  epoch: 'e',
  attempt: 1,
  previous: [],
  history: [],
  writeId: 'w',
  ...changes,
})

const NO_LOG = new Uint8Array()
const render = (changes: Partial<JobRecord> = {}, argv: string[] = ['a'], log: Uint8Array = NO_LOG): PmanJob =>
  pman.render({ record: record(changes), argv, log }) as PmanJob

test('a job has seven keys, in the order that pman gave them', () => {
  const log = Buffer.from('hello\r\nworld\n')
  const ended = { state: 'succeeded', reason: 'Completed', exitCode: 0, startedAt: AT - 5, finishedAt: AT } as const
  const job = render(ended, ['sh', '-c', "echo 'a'"], log)
  expect(Object.keys(job)).toEqual(KEYS)
  expect(job).toEqual({
    jid: 'j',
    image: 'fnndsc/pl-dircopy',
    cmd: `sh -c 'echo '"'"'a'"'"''`,
    status: 'finishedSuccessfully',
    message: 'succeeded: ended with exit code 0',
    timestamp: '2026-05-06T07:08:09.120Z',
    logs: 'hello\r\nworld\n',
  })
})

test.each<[State, string]>([
  ['queued', 'notstarted'],
  ['submitting', 'notstarted'],
  ['pulling', 'notstarted'],
  ['submitted', 'notstarted'],
  ['running', 'started'],
  ['cancelling', 'started'],
  ['succeeded', 'finishedSuccessfully'],
  ['failed', 'finishedWithError'],
  ['cancelled', 'finishedWithError'],
  ['timed_out', 'finishedWithError'],
  ['lost', 'finishedWithError'],
])('%s is %s', (state, status) => {
  expect(render({ state }).status).toBe(status)
})

test('undefined is never said', () => {
  for (const state of STATES) expect(render({ state }).status).not.toBe('undefined')
})

test.each<[string, Partial<JobRecord>, string]>([
  ['before it runs', {}, '0001-01-01T00:00:00Z'],
  ['when it runs', { startedAt: AT }, '2026-05-06T07:08:09.120Z'],
  ['when it has ended', { startedAt: 1, finishedAt: AT }, '2026-05-06T07:08:09.120Z'],
  ['a time that no calendar has', { finishedAt: 1e300 }, '0001-01-01T00:00:00Z'],
  ['at the epoch', { startedAt: 0 }, '1970-01-01T00:00:00.000Z'],
])('the timestamp %s', (_, changes, timestamp) => {
  expect(render(changes).timestamp).toBe(timestamp)
})

describe('the message', () => {
  test.each<[Partial<JobRecord>, string]>([
    [{ state: 'submitting' }, 'submitting'],
    [{ state: 'submitted', message: 'Pending: Priority' }, 'submitted: Pending: Priority'],
    [{ state: 'failed', reason: 'NonZeroExit', exitCode: 3 }, 'failed: ended with an exit code other than 0 (exit code 3)'],
    [
      { state: 'failed', reason: 'DispatchExhausted', message: 'no such image' },
      'failed: could not be handed to the engine in time and never ran; the same request may be sent again; no such image',
    ],
    [
      { state: 'timed_out', reason: 'TimeLimit', exitCode: 143 },
      'timed out: ran longer than its time limit and was stopped (exit code 143)',
    ],
    [{ state: 'cancelling', reason: 'CancelRequested' }, 'cancelling: being stopped (CancelRequested)'],
    [{ state: 'failed', reason: 'FromALaterRelease', exitCode: 9 }, 'failed: exit code 9'],
    [{ state: 'failed', reason: 'FromALaterRelease' }, 'failed: FromALaterRelease'],
    [{ state: 'failed', reason: 'constructor' }, 'failed: constructor'],
    [
      { unreachable: { since: AT, error: 'ECONNREFUSED' }, warnings: ['gpuLimit', 'cpuLimit'] },
      'running: the engine cannot be reached since 2026-05-06T07:08:09.120Z (ECONNREFUSED), this is the last known state; ' +
        'not enforced by this compute: gpu_limit, cpu_limit',
    ],
  ])('of %j', (changes, message) => {
    expect(render(changes).message).toBe(message)
  })

  test.each(REASON_NAMES)('tells of %s in the words of the table', (reason) => {
    expect(render({ state: REASONS[reason].final, reason }).message).toContain(REASONS[reason].tell)
  })

  test('is cut, between two characters', () => {
    for (const pad of ['', 'x']) {
      const { message } = render({ message: pad + '😀'.repeat(5000) })
      expect(message.length).toBeLessThanOrEqual(4096)
      expect(message).toMatch(/😀…$/u)
      expect(message).not.toMatch(/\p{Cs}/u)
    }
  })
})

const encodedBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2

describe('the log', () => {
  test.each<[string, number[], string]>([
    ['invalid UTF-8', [0x61, 0xff, 0x62], 'a\ufffdb'],
    ['a character that is cut off', [0xe2, 0x82], '\ufffd'],
    ['NUL', [0], '\0'],
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x61], '\ufeffa'],
    ['nothing', [], ''],
  ])('%s', (_, bytes, text) => {
    expect(render({}, [], Uint8Array.from(bytes)).logs).toBe(text)
  })

  test.each<[string, Uint8Array, number]>([
    ['plain text', Buffer.from('x'.repeat(3 << 20)), MAX_ENCODED_LOG],
    ['control characters', Buffer.alloc(3 << 20, 1), Math.floor(MAX_ENCODED_LOG / 6)],
    ['newlines', Buffer.alloc(3 << 20, 10), MAX_ENCODED_LOG / 2],
    ['invalid bytes', Buffer.alloc(3 << 20, 0xff), Math.floor(MAX_ENCODED_LOG / 3)],
    ['astral characters', Buffer.from('😀'.repeat(1 << 19)), MAX_ENCODED_LOG / 2],
  ])('much %s is cut to the size of an answer', (_, bytes, units) => {
    const logs = logText(bytes)
    expect(logs).toHaveLength(units)
    expect(encodedBytes(logs)).toBeLessThanOrEqual(MAX_ENCODED_LOG)
  })

  test('keeps the end, and as much of it as there is room for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 0, max: 40 }), (text, budget) => {
        const whole = text.replace(/\p{Cs}/gu, '')
        const kept = logText(Buffer.from(whole), budget)
        expect(whole.endsWith(kept)).toBe(true)
        expect(encodedBytes(kept)).toBeLessThanOrEqual(budget)
        const before = Array.from(whole.slice(0, whole.length - kept.length)).at(-1)
        if (before !== undefined) expect(encodedBytes(before + kept)).toBeGreaterThan(budget)
      }),
      { numRuns: 1000 },
    )
  })

  test('of any bytes is within the size', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 80 }), (bytes, budget) => {
        expect(encodedBytes(logText(bytes, budget))).toBeLessThanOrEqual(budget)
      }),
    )
  })
})

test('a job is seven strings, whatever is in it', () => {
  const text = fc.string({ unit: 'binary' })
  const changes: fc.Arbitrary<Partial<JobRecord>> = fc.record(
    {
      jid: text,
      image: text,
      state: fc.constantFrom(...STATES),
      reason: fc.oneof(text, fc.constantFrom(...REASON_NAMES)),
      message: text,
      exitCode: fc.integer(),
      warnings: fc.array(text),
      startedAt: fc.maxSafeInteger(),
      finishedAt: fc.maxSafeInteger(),
      unreachable: fc.record({ since: fc.maxSafeInteger(), error: text }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(changes, fc.array(text), fc.uint8Array(), (change, argv, log) => {
      const job = render(change, argv, log)
      expect(Object.keys(job)).toEqual(KEYS)
      expect(Object.values(job).every((value) => typeof value === 'string')).toBe(true)
    }),
  )
})

describe('an error', () => {
  test.each<[string, PmanError, unknown]>([
    ['of fields', invalid({ jid: 'x', cpu_limit: 'y' }), { jid: 'x', cpu_limit: 'y' }],
    ['of fields in the words of the job', invalid({ cpuLimit: 'y', mounts: 'z' }), { cpu_limit: 'y', 'input_dir/output_dir': 'z' }],
    ['of no field', new PmanError('invalid', 'not JSON'), 'not JSON'],
    [
      'of a jid in use',
      new PmanError('conflict', 'jid "j" is in use', { fields: { memoryLimit: 'differs', image: 'differs' } }),
      'jid "j" is in use (it differs in memory_limit, image)',
    ],
    ['of a jid in use, nothing known', new PmanError('conflict', 'jid "j" is in use'), 'jid "j" is in use'],
    ['that may pass', new PmanError('store_unavailable', 'no answer'), 'no answer; the same request may be sent again'],
  ])('%s', (_, error, message) => {
    expect(pman.renderError(error)).toEqual({ message })
  })

  test('only of a kind that may pass says that the request may be sent again', () => {
    for (const code of ERROR_CODES) {
      const error = new PmanError(code, 'text')
      expect(JSON.stringify(pman.renderError(error)).includes('may be sent again')).toBe(error.transient)
    }
  })
})

test.each([
  ['image', 'image'],
  ['entrypoint', 'entrypoint'],
  ['args', 'args'],
  ['env', 'env'],
  ['mounts', 'input_dir/output_dir'],
  ['workers', 'number_of_workers'],
  ['cpuLimit', 'cpu_limit'],
  ['memoryLimit', 'memory_limit'],
  ['gpuLimit', 'gpu_limit'],
  ['timeLimit', 'time_limit'],
  ['auid', 'auid'],
] as const)('%s is %s', (field, name) => {
  expect(pman.fieldName(field)).toBe(name)
})
