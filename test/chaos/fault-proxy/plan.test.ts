import { FAULT_NAMES } from './faults.ts'
import { kindOf, Plan, type Asked, type Rate } from './plan.ts'

const GET: Asked = { method: 'GET', path: '/v1.41/containers/json?all=true' }
const POST: Asked = { method: 'POST', path: '/v1.41/containers/create' }
const faultsOf = (plan: Plan, requests: readonly Asked[]) => requests.map((asked) => plan.faultFor(asked)?.fault)

describe('rules', () => {
  test.each([
    ['the first request', {}, ['cut after', undefined, undefined]],
    ['a method', { method: 'POST' }, [undefined, 'cut after', undefined]],
    ['a path', { path: /create$/ }, [undefined, 'cut after', undefined]],
    ['a kind', { kind: 'change' as const }, [undefined, 'cut after', undefined]],
    ['the second', { nth: 2 }, [undefined, 'cut after', undefined]],
    ['the second of a kind', { kind: 'read' as const, nth: 2 }, [undefined, undefined, 'cut after']],
    ['none', { method: 'PUT' }, [undefined, undefined, undefined]],
  ])('by %s', (_what, match, expected) => {
    const plan = new Plan()
    plan.next(match, 'cut after')
    expect(faultsOf(plan, [GET, POST, GET])).toEqual(expected)
  })

  test('one after the other, each as often as it says, until calm', () => {
    const plan = new Plan()
    plan.next({}, 'drip', { times: 2 })
    plan.next({}, 'half', { times: Number.POSITIVE_INFINITY })
    expect(faultsOf(plan, [GET, GET, GET, GET])).toEqual(['drip', 'drip', 'half', 'half'])
    expect(plan.rules).toMatchObject([{ fault: 'half' }])
    plan.calm()
    expect(faultsOf(plan, [GET])).toEqual([undefined])
  })
})

describe('chance', () => {
  const drawn = (seed: number, rate: Rate) => {
    const plan = new Plan()
    plan.random({ seed, rate })
    return faultsOf(plan, Array.from({ length: 400 }, (_, n) => (n % 2 === 0 ? GET : POST)))
  }

  test('the same seed draws the same faults, another one others; all kinds come up', () => {
    expect(drawn(1, 0.5)).toEqual(drawn(1, 0.5))
    expect(drawn(1, 0.5)).not.toEqual(drawn(2, 0.5))
    expect(new Set(drawn(1, 1))).toEqual(new Set(FAULT_NAMES))
  })

  test('reads and changes have rates of their own', () => {
    const faults = drawn(7, { read: 0, change: 1 })
    expect(faults.filter((_, n) => n % 2 === 0)).toEqual(Array.from({ length: 200 }, () => undefined))
    expect(faults.filter((fault) => fault === undefined).length).toBe(200)
  })

  test('only some faults, and rules go before', () => {
    const plan = new Plan()
    plan.random({ seed: 3, rate: 1, only: ['429 before'] })
    plan.next({}, 'refuse')
    expect(faultsOf(plan, [GET, GET])).toEqual(['refuse', '429 before'])
  })
})

test.each([
  ...['GET', 'HEAD', 'OPTIONS'].map((method) => [method, 'read'] as const),
  ...['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => [method, 'change'] as const),
])('%s is a %s', (method, kind) => expect(kindOf({ method })).toBe(kind))
