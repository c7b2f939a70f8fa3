import type { Container, ContainerState } from '../../../lib/backends/docker/container.ts'
import type { Observation } from '../../../lib/backends/contract.ts'

const REF = '0123456789ab'.padEnd(64, 'c')
const NONE = '0001-01-01T00:00:00Z'

interface Given {
  name?: string
  note?: string
  mounted?: Container['mounted']
  state: Partial<ContainerState>
}

function container({ name = 'n-s1', note, mounted = [], state }: Given): Container {
  const owner = { deployment: 'd', compute: 'c', jid: 'j', generation: 1, specHash: 'h' }
  const nothing = { Status: 'exited', ExitCode: 0, OOMKilled: false, Error: '', StartedAt: NONE, FinishedAt: NONE }
  return { engineName: 'n', owner, note, mounted, hidesOutOfMemory: false, ref: REF, name, state: { ...nothing, ...state } }
}

const started = { StartedAt: '2026-01-01T00:00:01.5Z' }
const ended = { ...started, FinishedAt: '2026-01-01T00:00:02.25Z' }
const startedAt = Date.UTC(2026, 0, 1, 0, 0, 1, 500)
const times = { startedAt, finishedAt: Date.UTC(2026, 0, 1, 0, 0, 2, 250) }
const end = (more: object): Observation => ({ kind: 'state', phase: 'ended', ...more }) as Observation
const failed = (reason: string) => `n-f-0123456789ab-${reason}`

const GIVEN: readonly (readonly [name: string, given: Given, observation: Observation])[] = [
  ['made', { name: 'n', state: { Status: 'created' } }, { kind: 'inert' }],
  ['renamed for a start', { state: { Status: 'created' } }, { kind: 'inert' }],
  ['a start has failed and nobody fenced it', { state: { Status: 'created', ExitCode: 127, Error: 'no' } }, { kind: 'inert' }],
  ['fenced by a stop', { name: 'n-x-0123456789ab', state: { Status: 'created' } }, { kind: 'state', phase: 'stopping' }],
  ['the fence of another', { name: 'n-x-999999999999', state: { Status: 'created' } }, { kind: 'inert' }],
  [
    'fenced by a failed start',
    { name: failed('CommandNotFound'), state: { Status: 'created', ExitCode: 127, Error: 'no' } },
    end({ reason: 'CommandNotFound', exitCode: 127, message: 'no' }),
  ],
  [
    'the same, with words that hold a directory of the host',
    {
      name: failed('MountRefused'),
      mounted: [{ source: '/srv/base/a', target: '/share/incoming' }],
      state: { Status: 'created', ExitCode: 128, Error: 'error mounting "/srv/base/a" to rootfs at "/share/incoming"' },
    },
    end({ reason: 'MountRefused', message: 'error mounting "what is mounted at /share/incoming" to rootfs at "/share/incoming"' }),
  ],
  ['the same, of which no words were kept', { name: failed('MountRefused'), state: { Status: 'created', ExitCode: 128 } }, end({ reason: 'MountRefused' })],
  ['fenced for a reason that is not known here', { name: failed('Later'), state: { Status: 'created' } }, end({ reason: 'StartFailed' })],
  ['running', { state: { Status: 'running', ...started } }, { kind: 'state', phase: 'running', startedAt }],
  ['running, with a note', { note: 'less', state: { Status: 'running' } }, { kind: 'state', phase: 'running', message: 'less' }],
  ['paused', { state: { Status: 'paused' } }, { kind: 'state', phase: 'running', message: 'is paused at the engine' }],
  ['removing', { state: { Status: 'removing' } }, { kind: 'state', phase: 'stopping' }],
  ['exit 0', { state: ended }, end({ reason: 'Completed', exitCode: 0, ...times })],
  ['exit 3', { state: { ...ended, ExitCode: 3 } }, end({ reason: 'NonZeroExit', exitCode: 3, ...times })],
  ['exit 127 of a shell', { state: { ...ended, ExitCode: 127 } }, end({ reason: 'NonZeroExit', exitCode: 127, ...times })],
  ['exit 255', { state: { ...ended, ExitCode: 255 } }, end({ reason: 'NonZeroExit', exitCode: 255, ...times })],
  [
    'SIGTERM',
    { state: { ...ended, ExitCode: 143 } },
    end({ reason: 'KilledBySignal', exitCode: 143, message: 'its exit code is that of SIGTERM', ...times }),
  ],
  [
    'SIGKILL for memory',
    { state: { ...ended, ExitCode: 137, OOMKilled: true } },
    end({ reason: 'OutOfMemory', exitCode: 137, message: 'its exit code is that of SIGKILL', ...times }),
  ],
  ['memory, though it ended well', { state: { ...ended, OOMKilled: true } }, end({ reason: 'OutOfMemory', exitCode: 0, ...times })],
  ['dead', { state: { ...ended, Status: 'dead', ExitCode: 1, Error: 'disk' } }, end({ reason: 'NonZeroExit', exitCode: 1, message: 'disk', ...times })],
  [
    'an end before its start',
    { state: { ...started, FinishedAt: '2026-01-01T00:00:01.4Z' } },
    end({ reason: 'Completed', exitCode: 0, startedAt, finishedAt: startedAt }),
  ],
]

export const rows = GIVEN.map(([name, given, observation]) => [name, container(given), observation] as const)
export const createdNothing = ['created', 'running', 'exited'].map((Status) => container({ state: { Status } }))
