import { credentials, endpointsOf, settings } from '../../infra/local/environment.ts'
import { stateFolder } from '../../infra/local/state-folder.ts'

const folder = stateFolder('/state')

describe('where jobs run', () => {
  const local = { CONTAINER_ENV: 'local', PMAN_LOCAL_DIRECTORY: '/state/runs' }
  const cases: [name: string, env: Record<string, string>, expected: Record<string, string | undefined>][] = [
    ['nothing is set', {}, { ...local, STORAGE_TYPE: 'host', STOREBASE: '/state/data', PMAN_COMPUTES_SECRET: '' }],
    ['empty counts as not set', { CONTAINER_ENV: '', STOREBASE: '' }, { ...local, STORAGE_TYPE: 'host', STOREBASE: '/state/data' }],
    ['a storebase', { STOREBASE: '/mine' }, { ...local, STORAGE_TYPE: 'host', STOREBASE: '/mine' }],
    ['a place for the runs', { PMAN_LOCAL_DIRECTORY: '/runs' }, { ...local, PMAN_LOCAL_DIRECTORY: '/runs' }],
    ['another engine', { CONTAINER_ENV: 'docker' }, { CONTAINER_ENV: 'docker', STORAGE_TYPE: undefined, STOREBASE: undefined, PMAN_LOCAL_DIRECTORY: undefined }],
    ['another engine on a host', { CONTAINER_ENV: 'docker', STORAGE_TYPE: 'host' }, { STORAGE_TYPE: 'host', STOREBASE: '/state/data' }],
    ['a volume', { VOLUME_NAME: 'v' }, { ...local, VOLUME_NAME: 'v', STORAGE_TYPE: undefined, STOREBASE: undefined }],
    ['computes.yml', { PMAN_COMPUTES_FILE: '/c.yml' }, { CONTAINER_ENV: undefined, STOREBASE: undefined, PMAN_COMPUTES_SECRET: '' }],
    ['computes in a secret', { PMAN_COMPUTES_SECRET: 'x/y' }, { CONTAINER_ENV: undefined, STOREBASE: undefined, PMAN_COMPUTES_SECRET: 'x/y' }],
  ]
  test.each(cases)('%s', (_, env, expected) => {
    const made = settings(env, folder)
    for (const [name, value] of Object.entries(expected)) expect([name, made[name]]).toEqual([name, value])
  })
})

test('what the machine has is passed on, but the token and its AWS credentials', () => {
  const made = settings({ PATH: '/bin', SHM_SIZE: '64', JOBS_TABLE: 'mine', AWS_PROFILE: 'p', AWS_ACCESS_KEY_ID: 'k', PMAN_TOKEN: 't' }, folder)
  expect(made).toMatchObject({ PATH: '/bin', SHM_SIZE: '64', JOBS_TABLE: 'mine', PMAN_TOKENS_SECRET: 'pman/tokens', AWS_REGION: 'us-east-1' })
  expect(Object.keys(made)).not.toEqual(expect.arrayContaining(['PMAN_TOKEN']))
  for (const name of ['PMAN_TOKEN', 'AWS_PROFILE', 'AWS_ACCESS_KEY_ID']) expect(made).not.toHaveProperty(name)
})

describe('credentials', () => {
  const own = { AWS_ACCESS_KEY_ID: 'mine', AWS_SECRET_ACCESS_KEY: 'secret' }

  test('are made up, and new each time, where everything is played here', () => {
    const [first, second] = [credentials({ ...own, AWS_PROFILE: 'work' }), credentials({})]
    expect(first.variables).toEqual({ AWS_ACCESS_KEY_ID: first.accessKey, AWS_SECRET_ACCESS_KEY: 'local' })
    expect(first.accessKey).toMatch(/^[0-9A-F]{32}$/)
    expect(second.accessKey).not.toBe(first.accessKey)
  })

  test.each(['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_DYNAMODB', 'AWS_ENDPOINT_URL_SECRETS_MANAGER'])('are one’s own with %s', (name) => {
    expect(credentials({ ...own, [name]: 'http://x' })).toEqual({ variables: own, accessKey: 'mine' })
  })
})

test('an endpoint for one service goes before that for all', () => {
  expect(endpointsOf({ AWS_ENDPOINT_URL: 'all', AWS_ENDPOINT_URL_DYNAMODB: 'one' })).toEqual({ dynamodb: 'one', secrets: 'all' })
  expect(endpointsOf({ AWS_ENDPOINT_URL: '' })).toEqual({ dynamodb: undefined, secrets: undefined })
})
