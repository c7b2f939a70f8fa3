import { seen } from '../../../lib/backends/swarm/observe.ts'
import { changed, LABEL } from '../../../lib/backends/swarm/spec.ts'
import type { OwnService } from '../../../lib/backends/swarm/services.ts'
import { SERVICE, task } from './tasks.ts'
import type { Said } from './tasks.ts'

const service = (life: OwnService['life'], replicas: number): OwnService => ({
  ref: `${SERVICE}.job-1`,
  id: SERVICE,
  version: 7,
  engineName: 'job-1',
  owner: { deployment: 'd', compute: 'c', jid: 'j', generation: 1, specHash: 'h' },
  note: undefined,
  spec: { Name: 'job-1', Labels: {}, TaskTemplate: {}, Mode: { Replicated: { Replicas: replicas } } },
  workers: 1,
  life,
})

test.each<[name: string, life: OwnService['life'] | undefined, replicas: number, tasks: Said[], expected: object]>([
  ['inert', 'inert', 0, [], { kind: 'inert' }],
  ['withdrawn', 'withdrawn', 0, [], { kind: 'state', phase: 'withdrawn' }],
  ['released', 'released', 1, [{ state: 'running' }], { kind: 'state', phase: 'running' }],
  ['removed, with nothing left', undefined, 0, [], { kind: 'absent' }],
  ['removed, and ended', undefined, 0, [{ state: 'shutdown', wanted: 'remove' }], { kind: 'absent' }],
  ['removed, and still running', undefined, 0, [{ state: 'running', wanted: 'remove' }], { kind: 'state', phase: 'stopping' }],
  ['removed, and in a state that nobody knows', undefined, 0, [{ state: 'transmuted' }], { kind: 'state', phase: 'stopping' }],
  ['scaled down, and still running', 'released', 0, [{ state: 'running', wanted: 'remove' }], { kind: 'state', phase: 'stopping' }],
  ['scaled down: never inert again', 'released', 0, [], { kind: 'state', phase: 'ended', reason: 'Evicted' }],
])('a service that is %s', (_name, life, replicas, tasks, expected) => {
  expect(seen(life && service(life, replicas), tasks.map(task)).observation).toMatchObject(expected)
})

test('a change is made of the spec as it was read, whatever it holds', () => {
  const more = { TaskTemplate: { Newer: 1 }, EndpointSpec: { Mode: 'vip' } }
  const spec = { Name: 'n', Labels: { a: 'b' }, Mode: { Replicated: { Replicas: 0 } }, ...more }
  expect(changed(spec, LABEL.released, '1', 3)).toEqual({
    ...spec,
    Labels: { a: 'b', [LABEL.released]: '1' },
    Mode: { Replicated: { Replicas: 3 } },
  })
})
