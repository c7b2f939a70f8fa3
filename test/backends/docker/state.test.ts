import { createdNothing, rows } from './states.ts'
import { createRejected, startReason } from '../../../lib/backends/docker/refusals.ts'
import { observationOf } from '../../../lib/backends/docker/state.ts'
import { DockerRefusal } from '../../../lib/engines/docker-api.ts'
import type { JobSpec } from '../../../lib/jobs/types.ts'

test.each(rows)('%s', (_name, container, observation) => {
  expect(observationOf(container)).toEqual(observation)
})

test('a container that has not begun or ended tells no times', () => {
  for (const container of createdNothing) expect(JSON.stringify(observationOf(container))).not.toMatch(/startedAt|finishedAt/)
})

test.each([
  ['exec: "/no": stat /no: no such file or directory: unknown', 127, 'CommandNotFound'],
  ['exec: "no": executable file not found in $PATH: unknown', 127, 'CommandNotFound'],
  ['exec: "/etc/passwd": permission denied: unknown', 126, 'NotExecutable'],
  ['exec user process caused: exec format error', 128, 'NotExecutable'],
  ['unable to find user nobody2: no matching entries in passwd file', 128, 'UserRefused'],
  ['error mounting "/a/stat" to rootfs at "/share": no such file or directory', 127, 'MountRefused'],
  ['invalid mount config for type "bind": bind source path does not exist: /a', 0, 'MountRefused'],
  ['could not select device driver "nvidia" with capabilities: [[gpu]]', 128, 'EngineRejected'],
  ['', 127, 'CommandNotFound'],
  ['', 126, 'NotExecutable'],
  ['failed to create endpoint: address pool is exhausted', 128, 'StartFailed'],
])('a start that failed with %j (%i): %s', (message, exitCode, reason) => {
  expect(startReason(message, exitCode)).toBe(reason)
})

const spec = { memoryLimit: 1, cpuLimit: 1, gpuLimit: 1, mounts: [] } as unknown as JobSpec
const unasked = { ...spec, memoryLimit: 0, cpuLimit: 0, gpuLimit: 0 }
test.each([
  ['Minimum memory limit allowed is 6MB', 'EngineRejected', 'memory_limit'],
  ['Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available', 'EngineRejected', 'cpu_limit'],
  ['authorization denied by plugin', 'PolicyRefused', undefined],
  ['Unknown runtime specified nosuch', 'EngineRejected', undefined],
])('a create that was refused with %j', (message, reason, field) => {
  const refused = createRejected(new DockerRefusal(message, 400), spec)
  expect(refused).toMatchObject({ reason, message: expect.stringContaining(message) as string })
  expect(refused.fields).toEqual(field === undefined ? undefined : { [field]: message })
  expect(createRejected(new DockerRefusal(message, 400), unasked).fields).toBeUndefined()
})
