import { jest } from '@jest/globals'
import { openshift } from '../../../lib/backends/openshift/index.ts'
import { clusterIsMissing, clusterVariable } from '../../contract/backend/kubernetes-harness.ts'
import { skip } from '../../support/skip.ts'
import { Place } from '../kubernetes/cluster.ts'
import type { Asked, Site } from '../kubernetes/cluster.ts'

const missing = clusterIsMissing()
if (missing === undefined) describe('the security context constraints of the project', constraints)
else skip('the security context constraints of the project', missing)

function constraints(): void {
  jest.setTimeout(120_000)
  const places: Place[] = []
  const inProject = (site: Site = {}): Place => {
    const { namespace: _, options, ...rest } = { namespace: undefined, options: {}, ...site }
    const project = clusterVariable('KUBE_NAMESPACE_OPENSHIFT')
    const made = new Place(openshift, { ...rest, options: { ...options, namespace: undefined, project } })
    places.push(made)
    return made
  }
  afterAll(() => Promise.all(places.map((one) => one.clear())))

  test('a job without a user runs as the range\'s', async () => {
    const where = inProject()
    const { ref, end } = await where.end({ script: 'id -u' })
    expect(end).toMatchObject({ reason: 'Completed' })
    expect(await where.log(ref)).toBe('1000660000\n')
  })

  test('a user of the range is taken', async () => {
    const where = inProject()
    const { ref } = await where.end({ script: 'id -u', user: { uid: 1000660007, gid: 0 } })
    expect(await where.log(ref)).toBe('1000660007\n')
  })

  test('a user outside of the range is told as such, in the constraints\' words', async () => {
    const { end } = await inProject().end({ user: { uid: 1234, gid: 1234 } })
    const words = /^CONTAINER_USER is outside .*unable to validate against any security context constraint.*1234: must be in the ranges: /
    expect(end).toMatchObject({ phase: 'ended', reason: 'UserRefused', message: expect.stringMatching(words) as string })
  })

  test('a volume of the host is refused in the constraints\' words', async () => {
    const mounts: Asked['mounts'] = [{ field: 'input_dir', source: 'x', target: '/share/incoming', readOnly: true }]
    const { end } = await inProject({ storage: { type: 'host', storebase: '/tmp' } }).end({ mounts })
    const words = /unable to validate against any security context constraint.*hostPath volumes are not allowed/
    expect(end).toMatchObject({ phase: 'ended', reason: 'PolicyRefused', message: expect.stringMatching(words) as string })
  })
}
