import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { unzip } from './zip.ts'

const PROJECT = join(import.meta.dirname, '..', '..')
const SOURCES = ['serverless.yml', 'package.json', 'tsconfig.json', 'infra', 'functions', 'lib']

/** What a site sets. Whoever packages has it in the environment; none of it may be in the package. */
const PLANTED = {
  CONTAINER_ENV: 'planted-engine',
  STORAGE_TYPE: 'planted-storage',
  STOREBASE: '/planted/storebase',
  JOBS_TABLE: 'planted-table',
  PMAN_TOKEN: 'planted-token-0123456789',
  PMAN_TOKENS_SECRET: 'planted/tokens',
  PMAN_COMPUTES_SECRET: 'planted/computes',
  PMAN_COMPUTES_FILE: '/planted/computes.yml',
  AWS_ENDPOINT_URL_DYNAMODB: 'http://planted.invalid:8000',
}

interface Resource {
  Type: string
  DeletionPolicy?: string
  UpdateReplacePolicy?: string
  Properties: Record<string, unknown>
}
interface Statement {
  Effect: string
  Action: string | string[]
  Resource: unknown
}

let folder: string
let text: string
let resources: Record<string, Resource>
const zips = new Map<string, Buffer>()

/** In a copy, so that a package or a server of this checkout is not disturbed. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pman-package-'))
  for (const name of SOURCES) await cp(join(PROJECT, name), join(folder, name), { recursive: true })
  await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'))
  const serverless = createRequire(import.meta.url).resolve('serverless/bin/serverless.js')
  // Without AWS's variables and with another home: nothing may need an account.
  const env = { PATH: process.env.PATH, HOME: folder, ...PLANTED }
  const out = join(folder, 'out')
  await promisify(execFile)(process.execPath, [serverless, 'package', '--package', out], { cwd: folder, env, timeout: 90_000, killSignal: 'SIGKILL' })
  for (const file of await readdir(out)) if (file.endsWith('.zip')) zips.set(file.replace(/\.zip$/, ''), await readFile(join(out, file)))
  text = await readFile(join(out, 'cloudformation-template-update-stack.json'), 'utf8')
  resources = (JSON.parse(text) as { Resources: typeof resources }).Resources
}, 120_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

const ofType = (type: string): Record<string, unknown>[] =>
  Object.values(resources).filter(({ Type }) => Type === type).map(({ Properties }) => Properties)

const logical = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)
const properties = (id: string): Record<string, unknown> => resources[id]?.Properties ?? {}

const FUNCTIONS = ['authorizer', 'cleanup', 'delete', 'dispatch', 'fallback', 'hello', 'logs', 'status', 'submit']

test('every function has a zip of its own, and is in it', () => {
  expect([...zips.keys()].sort()).toEqual(FUNCTIONS)
  expect(ofType('AWS::Lambda::Function').map(({ Handler }) => Handler).sort()).toEqual(FUNCTIONS.map((name) => `functions/${name}.handler`))
  for (const [name, zip] of zips) expect([...unzip(zip).keys()]).toContain(`functions/${name}.mjs`)
})

/** Every zip has every engine's driver in it, in a file of its own. */
test.each(FUNCTIONS)('%s is less than 2 MB', (name) => {
  expect(zips.get(name)?.length).toBeGreaterThan(0)
  expect(zips.get(name)?.length).toBeLessThan(2_000_000)
})

/** What a function loads before it does anything: its own file, and all that these import without being asked to. */
function loadedAtOnce(name: string): Map<string, string> {
  const files = unzip(zips.get(name) ?? Buffer.alloc(0))
  const loaded = new Map<string, string>()
  const load = (path: string): void => {
    const text = files.get(path)?.toString()
    if (text === undefined || loaded.has(path)) return
    loaded.set(path, text)
    for (const [, target = ''] of text.matchAll(/(?:\bfrom|\bimport)\s*["']([^"']+\.mjs)["']/g)) load(join('functions', target))
  }
  load(`functions/${name}.mjs`)
  return loaded
}

test.each(FUNCTIONS)('%s loads no engine before one is asked', (name) => {
  const loaded = loadedAtOnce(name)
  const text = [...loaded.values()].join('')
  expect(loaded.size).toBeGreaterThan(0)
  expect(text.length).toBeLessThan(600_000)
  // of the Kubernetes client, of axios, of the driver of Docker
  for (const mark of ['BatchV1Api', 'ERR_BAD_REQUEST', 'HostConfig']) expect(text.includes(mark)).toBe(false)
})

test('the engines are in the package all the same', () => {
  const all = [...unzip(zips.get('submit') ?? Buffer.alloc(0)).values()].join('')
  for (const mark of ['BatchV1Api', 'ERR_BAD_REQUEST', 'HostConfig']) expect(all).toContain(mark)
})

test.each(FUNCTIONS)('%s: runtime, variables, role; it ends before the one who waits for it', (name) => {
  const waits: Record<string, number> = { authorizer: 10, cleanup: 60, dispatch: 901 }
  const it = properties(`${logical(name)}LambdaFunction`)
  expect(it).toMatchObject({
    Runtime: 'nodejs24.x',
    Architectures: ['arm64'],
    Role: { 'Fn::GetAtt': [`${logical(name)}Role`, 'Arn'] },
  })
  expect(it.Environment).toEqual({
    Variables: {
      JOBS_TABLE: 'pman-dev-jobs',
      PMAN_COMPUTES_SECRET: 'pman/computes',
      PMAN_TOKENS_SECRET: 'pman/tokens',
      PMAN_DISPATCH_FUNCTION: 'pman-dev-dispatch',
    },
  })
  expect(it.Timeout).toBeLessThan(waits[name] ?? 30)
  expect(properties(`${logical(name)}LogGroup`)).toEqual({ LogGroupName: `/aws/lambda/pman-dev-${name}`, RetentionInDays: 30 })
})

describe('routes', () => {
  const VERBS: [fn: string, method: string, tail: string][] = [
    ['hello', 'GET', ''],
    ['submit', 'POST', ''],
    ['status', 'GET', '/{jid}'],
    ['delete', 'DELETE', '/{jid}'],
    ['logs', 'GET', '/{jid}/logs'],
  ]
  const expected = VERBS.flatMap(([fn, method, tail]) =>
    ['/api/v1', '/{compute}/api/v1'].flatMap((base) => ['', '/{slash+}'].map((slash) => [`${method} ${base}${tail}${slash}`, fn])),
  )

  test('each with both forms of the slash, behind the authorizer; all else is the fallback’s, for anybody', () => {
    const routes = ofType('AWS::ApiGatewayV2::Route')
    const taken = routes.map(({ RouteKey, Target, AuthorizationType, AuthorizerId }) => [
      RouteKey,
      /HttpApiIntegration(\w+)/.exec(JSON.stringify(Target))?.[1]?.toLowerCase(),
      AuthorizationType,
      AuthorizerId,
    ])
    const authorized = ['CUSTOM', { Ref: 'HttpApiAuthorizerTokens' }]
    const wanted = [...expected.map((route) => [...route, ...authorized]), ['$default', 'fallback', undefined, undefined]]
    expect(expected).toHaveLength(20)
    expect(taken.sort()).toEqual(wanted.sort())
  })

  test('the authorizer', () => {
    expect(properties('HttpApiAuthorizerTokens')).toMatchObject({
      AuthorizerType: 'REQUEST',
      EnableSimpleResponses: true,
      AuthorizerPayloadFormatVersion: '2.0',
      AuthorizerResultTtlInSeconds: 60,
      IdentitySource: ['$request.header.Authorization'],
    })
    expect(JSON.stringify(properties('HttpApiAuthorizerTokens').AuthorizerUri)).toContain('AuthorizerLambdaFunction')
  })
})

describe('rights', () => {
  const table = { 'Fn::GetAtt': ['JobsTable', 'Arn'] }
  const indexes = { 'Fn::Sub': '${JobsTable.Arn}/index/*' }
  const site = { 'Fn::Sub': 'arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:pman/*' }
  const [computes, tokens] = [{ Ref: 'ComputesSecret' }, { Ref: 'TokensSecret' }]

  const jobs = ['Allow', 'dynamodb:GetItem dynamodb:PutItem dynamodb:Query', table]
  const sweep = ['Allow', 'dynamodb:DeleteItem', table]
  const query = ['Allow', 'dynamodb:Query', indexes]
  const dispatch = ['Allow', 'lambda:InvokeFunction', { 'Fn::GetAtt': ['DispatchLambdaFunction', 'Arn'] }]
  const credentials = [
    ['Allow', 'secretsmanager:GetSecretValue', site],
    ['Deny', 'secretsmanager:GetSecretValue', tokens],
  ]
  /** All that each function may do, besides writing its own log. */
  const RIGHTS: Record<string, unknown[][]> = {
    authorizer: [['Allow', 'secretsmanager:GetSecretValue', tokens]],
    hello: [['Allow', 'secretsmanager:GetSecretValue', computes]],
    fallback: [],
    status: [jobs, sweep, query, ...credentials],
    logs: [['Allow', 'dynamodb:GetItem dynamodb:Query', table], ...credentials],
    submit: [jobs, sweep, ...credentials, dispatch],
    dispatch: [jobs, sweep, ...credentials],
    delete: [jobs, sweep, ...credentials],
    cleanup: [jobs, sweep, query, ...credentials, dispatch],
  }

  test('there is one role for each function and no other', () => {
    const roles = Object.keys(resources).filter((id) => resources[id]?.Type === 'AWS::IAM::Role')
    expect(roles.sort()).toEqual(FUNCTIONS.map((name) => `${logical(name)}Role`))
    expect(Object.keys(RIGHTS).sort()).toEqual(FUNCTIONS)
    expect(ofType('AWS::IAM::Policy')).toEqual([])
  })

  test.each(Object.keys(RIGHTS))('%s', (name) => {
    const role = properties(`${logical(name)}Role`)
    const policies = role.Policies as { PolicyDocument: { Statement: Statement[] } }[]
    const rights = policies.flatMap(({ PolicyDocument }) =>
      PolicyDocument.Statement.map(({ Effect, Action, Resource }) => [Effect, [Action].flat().join(' '), Resource]),
    )
    const log = ['Allow', 'logs:CreateLogStream logs:PutLogEvents', { 'Fn::GetAtt': [`${logical(name)}LogGroup`, 'Arn'] }]
    expect(rights).toEqual([log, ...(RIGHTS[name] ?? [])])
    expect(role.ManagedPolicyArns).toBeUndefined()
    expect(JSON.stringify(role.AssumeRolePolicyDocument)).toContain('"Principal":{"Service":"lambda.amazonaws.com"}')
  })
})

test('cleanup runs each minute; neither it nor a dispatch is repeated by Lambda', () => {
  expect(ofType('AWS::Events::Rule')).toMatchObject([{ ScheduleExpression: 'rate(1 minute)', State: 'ENABLED' }])
  const invoked = ofType('AWS::Lambda::EventInvokeConfig').sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  expect(invoked).toMatchObject(
    ['Cleanup', 'Dispatch'].map((name) => ({
      FunctionName: { Ref: `${name}LambdaFunction` },
      MaximumRetryAttempts: 0,
      MaximumEventAgeInSeconds: 60,
    })),
  )
})

test('the table: its keys and indexes, and how it is kept', () => {
  expect(resources.JobsTable).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' })
  expect(properties('JobsTable')).toMatchObject({
    TableName: 'pman-dev-jobs',
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: 'work',
        KeySchema: [
          { AttributeName: 'workShard', KeyType: 'HASH' },
          { AttributeName: 'workAt', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
      {
        IndexName: 'jobs',
        KeySchema: [
          { AttributeName: 'listShard', KeyType: 'HASH' },
          { AttributeName: 'createdAt', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'INCLUDE' },
      },
    ],
    TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    SSESpecification: { SSEEnabled: true },
    DeletionProtectionEnabled: true,
  })
})

test('the secrets are kept, and begin with nobody and nothing in them', () => {
  const kept = { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' }
  expect(resources.TokensSecret).toMatchObject({ ...kept, Properties: { Name: 'pman/tokens', SecretString: '{"tokens":[]}' } })
  expect(resources.ComputesSecret).toMatchObject({ ...kept, Properties: { Name: 'pman/computes', SecretString: 'computes: {}' } })
})

test('nothing that a site sets is in the package', () => {
  // The search itself finds what is there.
  expect(text).toContain('pman-dev-jobs')
  expect(text).not.toMatch(/planted/)
  const files = [...zips.values()].flatMap((zip) => [...unzip(zip).values()])
  expect(files.some((file) => file.includes('CONTAINER_ENV'))).toBe(true)
  expect(files.filter((file) => file.includes('planted'))).toEqual([])
})
