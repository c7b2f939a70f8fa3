import { fold } from '../../../lib/backends/swarm/fold.ts'
import { endOf, phaseOf } from '../../../lib/backends/swarm/states.ts'
import { task } from './tasks.ts'
import type { Said } from './tasks.ts'

const RUNC =
  'starting container failed: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process'
const WORDS = {
  noImage: 'No such image: local/none:1',
  noSource: 'invalid mount config for type "bind": bind source path does not exist: /srv/none',
  noUser: 'starting container failed: unable to find user nosuch: no matching entries in passwd file',
  noProgram: `${RUNC}: exec: "/nosuch": stat /nosuch: no such file or directory: unknown`,
  noRight: `${RUNC}: exec: "/etc/passwd": permission denied: unknown`,
  cpus: 'Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available',
  noNode: 'no suitable node (insufficient resources on 1 node)',
  noPlace: 'no suitable node (scheduling constraints not satisfied on 1 node)',
} as const

// The words are those of Docker 20.10.24.
test.each<[name: string, said: Said, reason: string, exitCode: number | undefined]>([
  ['complete', { state: 'complete', code: 0 }, 'Completed', 0],
  ['an exit code', { state: 'failed', err: 'task: non-zero exit (3)', code: 3 }, 'NonZeroExit', 3],
  ['an exit with 127', { state: 'failed', err: 'task: non-zero exit (127)', code: 127 }, 'NonZeroExit', 127],
  ['a signal', { state: 'failed', err: 'task: non-zero exit (137)', code: 137 }, 'KilledBySignal', 137],
  ['a code above all signals', { state: 'failed', err: 'task: non-zero exit (255)', code: 255 }, 'NonZeroExit', 255],
  ['no image', { state: 'rejected', err: WORDS.noImage, code: 0 }, 'ImageNotFound', undefined],
  ['no directory', { state: 'rejected', err: WORDS.noSource, code: 0 }, 'MountRefused', undefined],
  ['too many CPUs', { state: 'rejected', err: WORDS.cpus, code: 0 }, 'EngineRejected', undefined],
  ['no user', { state: 'failed', err: WORDS.noUser, code: 128 }, 'UserRefused', undefined],
  ['no program', { state: 'failed', err: WORDS.noProgram, code: 127 }, 'CommandNotFound', 127],
  ['no right to run it', { state: 'failed', err: WORDS.noRight, code: 126 }, 'NotExecutable', 126],
  ['failed without a word', { state: 'failed' }, 'StartFailed', undefined],
  ['a node that is gone', { state: 'orphaned' }, 'HostLost', undefined],
  ['a node that was drained', { state: 'shutdown', message: 'shutdown', code: 143 }, 'Evicted', undefined],
  ['removed', { state: 'remove' }, 'Evicted', undefined],
])('the end of a task: %s', (_name, said, reason, exitCode) => {
  expect(phaseOf(task(said))).toBe('ended')
  const end = endOf(task(said))
  expect([end.reason, end.exitCode]).toEqual([reason, exitCode])
})

test('no directory of a node is named', () => {
  const mount = ['/srv/a{{"{{"}}b', '/share/incoming'] as const
  const words = 'bind source path does not exist: '
  const { reason, message } = endOf(task({ state: 'rejected', err: `invalid mount config: ${words}/srv/a{{b`, mount }))
  expect({ reason, message }).toEqual({ reason: 'MountRefused', message: `invalid mount config: ${words}what is mounted at /share/incoming` })
  const waits = fold([task({ state: 'preparing', err: `${words}/srv/a{{b`, mount })], { workers: 1 }).observation
  expect(waits).toMatchObject({ message: `${words}what is mounted at /share/incoming` })
})

const DONE: Said = { state: 'complete', wanted: 'shutdown', code: 0, at: 20 }
const FAILED: Said = { state: 'failed', wanted: 'shutdown', err: 'task: non-zero exit (3)', code: 3, at: 10 }
const RUNS: Said = { state: 'running', at: 5 }
const NON_ZERO = { phase: 'ended', reason: 'NonZeroExit', exitCode: 3 }
const WAITS: Said = { state: 'pending', err: WORDS.noNode }

test.each<[name: string, workers: number, tasks: Said[], expected: object]>([
  ['none is made yet', 1, [], { phase: 'waiting', message: 'the swarm has yet to make its task' }],
  ['one waits for resources', 1, [WAITS], { phase: 'waiting', message: WORDS.noNode }],
  ['one waits for a place', 1, [{ state: 'pending', err: WORDS.noPlace }], { phase: 'waiting', message: WORDS.noPlace }],
  ['one has its image pulled', 1, [{ state: 'preparing', message: 'preparing' }], { phase: 'waiting', message: 'preparing' }],
  ['one runs', 1, [RUNS], { phase: 'running', startedAt: 5000 }],
  ['one has ended well', 1, [DONE], { phase: 'ended', reason: 'Completed', exitCode: 0, finishedAt: 20_000 }],
  ['one has failed', 1, [FAILED], { ...NON_ZERO, message: 'task: non-zero exit (3)', finishedAt: 10_000 }],
  [
    'two of three are made',
    3,
    [RUNS, { ...WAITS, slot: 2 }],
    { phase: 'running', startedAt: 5000, message: `${WORDS.noNode}; the swarm has yet to make 1 of its 3 tasks` },
  ],
  ['all that are made have ended', 2, [DONE], { phase: 'running', message: 'the swarm has yet to make 1 of its 2 tasks' }],
  ['one has failed, one runs on', 2, [FAILED, { ...RUNS, slot: 2 }], { phase: 'running', startedAt: 5000 }],
  ['all have ended well', 2, [{ ...DONE, slot: 2 }, DONE], { phase: 'ended', reason: 'Completed', exitCode: 0, finishedAt: 20_000 }],
  [
    'one of two has failed',
    2,
    [DONE, { ...FAILED, slot: 2 }],
    { ...NON_ZERO, message: 'worker 1: task: non-zero exit (3)', finishedAt: 20_000 },
  ],
  [
    'both have failed: the first to fail counts',
    2,
    [{ ...FAILED, err: WORDS.noImage, state: 'rejected', code: 0, at: 15 }, { ...FAILED, slot: 2 }],
    { ...NON_ZERO, message: 'worker 1: task: non-zero exit (3); 2 of 2 tasks have failed', finishedAt: 15_000 },
  ],
  [
    'the swarm ends one that runs',
    1,
    [{ ...RUNS, wanted: 'shutdown' }],
    { phase: 'stopping', startedAt: 5000, message: expect.stringContaining('wants it to end') as string },
  ],
  [
    'one was run twice',
    1,
    [DONE, { ...RUNS, at: 30 }],
    { phase: 'running', startedAt: 30_000, message: 'the swarm was made to run worker 0 2 times' },
  ],
  [
    'one was run twice, and the first was cut short',
    1,
    [{ state: 'shutdown', wanted: 'shutdown', at: 10 }, DONE],
    { phase: 'ended', reason: 'Evicted', finishedAt: 20_000, message: expect.stringContaining('run worker 0 2 times') as string },
  ],
])('%s', (_name, workers, tasks, expected) => {
  const { observation } = fold(tasks.map(task), { workers })
  expect(observation).toEqual({ kind: 'state', ...expected })
})

test('a word that nobody knows is no state', () => {
  const { observation } = fold([task(RUNS), task({ state: 'transmuted', slot: 2 })], { workers: 2 })
  expect(observation).toEqual({ kind: 'unknown', error: expect.stringContaining('transmuted') as string })
})

test('what was made of the request is told with every state', () => {
  const note = 'less than was asked for'
  for (const said of [RUNS, DONE, WAITS]) {
    const { observation } = fold([task(said)], { workers: 1, note })
    expect(observation).toMatchObject({ message: expect.stringMatching(/(^|; )less than was asked for$/) as string })
  }
})
