/** Where every call arrives at once and is answered, each simulated engine keeps the rules of the backend contract. */
import type { Backend, Call, EngineJob, Observation } from '../../lib/backends/contract.ts'
import { simBackend } from './driver.ts'
import type { Profile } from './engines/profile.ts'
import { PROFILES } from './profiles.ts'
import { Random } from './random.ts'
import { Scheduler } from './scheduler.ts'
import { SimEngine } from './sim-engine.ts'
import { timedWork } from './work.ts'

const call: Call = { signal: new AbortController().signal, deadline: Number.POSITIVE_INFINITY, log: () => undefined }

/** An engine, drivers of it, and its time. */
function ground(profile: Profile) {
  const random = new Random(1)
  const scheduler = new Scheduler(random)
  const starts: string[] = []
  const witness = { started: ({ engineName }: { engineName: string }) => void starts.push(engineName), touched: () => undefined }
  const work = timedWork(scheduler, random, { run: [1000, 2000], grace: profile.behaviour.grace })
  const engine = new SimEngine(scheduler, random, witness, profile.behaviour, work)
  const moods = {
    refusesCreate: () => false,
    refusesStart: () => false,
    needsPreparation: () => false,
    stalls: () => undefined,
    window: () => undefined,
  }
  const open = (deployment: string): Backend =>
    simBackend(profile, { engine, wire: async (_call, _words, _about, _changes, effect) => effect(), deployment, moods, broken: {} })
  const wait = async (milliseconds: number): Promise<void> => {
    const until = scheduler.now + milliseconds
    while (await scheduler.step(until));
    scheduler.now = until
  }
  return { open, wait, starts }
}

const HOUR = 3_600_000
let count = 0
function job(deployment = 'ours'): EngineJob {
  const engineName = `job-${++count}`
  const limits = { workers: 1, cpuLimit: 0, memoryLimit: 0, gpuLimit: 0, timeLimit: 0 }
  const spec = { image: 'i', entrypoint: [], args: [], env: [], mounts: [], ...limits, auid: 'a' }
  const owner = { deployment, compute: 'sim', jid: `jid ${count}`, generation: 1, specHash: 'h' }
  return { engineName, owner, spec, argv: [], env: [], limits: { cpu: 0, memory: 0, gpu: 0, time: 0 }, siteLabels: {} }
}

describe.each(PROFILES.map((profile) => [profile.name, profile] as const))('the simulated %s', (_name, profile) => {
  const { open, wait, starts } = ground(profile)
  const backend = open('ours')
  const runs = ({ engineName }: EngineJob): number => starts.filter((name) => name === engineName).length
  const look = async (ref: string, by = backend): Promise<Observation | undefined> => (await by.observe([ref], call))[0]
  const word = (seen: Observation | undefined): string => (seen === undefined ? 'none' : seen.kind === 'state' ? seen.phase : seen.kind)
  async function create(one: EngineJob, by = backend): Promise<string> {
    const ref = await by.create(one, undefined, call)
    await wait(HOUR)
    return ref
  }
  async function gone(act: 'stop' | 'remove', ref: string): Promise<void> {
    for (let n = 0; (await backend[act](ref, call)) === 'going'; n++) {
      if (n > 10) throw new Error('never gone')
      await wait(HOUR)
    }
  }

  test('what was made is inert, and is found with its owner', async () => {
    const one = job()
    const ref = await create(one)
    expect(await look(ref)).toEqual({ kind: 'inert' })
    expect(await backend.find(one.engineName, call)).toEqual([
      { engineName: one.engineName, ref, observation: { kind: 'inert' }, ...(profile.labels ? { labels: one.owner } : {}) },
    ])
    expect(runs(one)).toBe(0)
  })

  test('releases, at once and after its end, run it once; its end and its log are told', async () => {
    const one = job()
    const ref = await create(one)
    await Promise.all([1, 2].map((attempt) => backend.release(ref, attempt, call)))
    await wait(HOUR)
    await backend.release(ref, 3, call)
    await wait(HOUR)
    expect(runs(one)).toBe(1)
    expect(word(await look(ref))).toBe('ended')
    const { bytes } = await backend.logs(ref, { tailLines: 10, maxBytes: 1000 }, call)
    expect(Buffer.from(bytes).toString()).toMatch(/^begun.*\ndone\n$/)
  })

  test('a create that is sent again makes nothing that runs', async () => {
    const one = job()
    const ref = await create(one)
    await create(one)
    await backend.release(ref, 1, call)
    await wait(HOUR)
    await create(one)
    await wait(HOUR)
    expect(runs(one)).toBe(1)
  })

  test.each(['stop', 'remove'] as const)('after a %s no release lets it run', async (act) => {
    const one = job()
    const ref = await create(one)
    await gone(act, ref)
    await backend.release(ref, 1, call).catch(() => undefined)
    await wait(HOUR)
    expect(runs(one)).toBe(0)
    expect(act === 'remove' && !profile.keepsEnded ? ['absent'] : ['absent', 'withdrawn']).toContain(word(await look(ref)))
  })

  test.each(['stop', 'remove'] as const)('a %s ends what runs', async (act) => {
    const one = job()
    const ref = await create(one)
    await backend.release(ref, 1, call)
    await gone(act, ref)
    await wait(HOUR)
    expect(['absent', 'ended', 'withdrawn']).toContain(word(await look(ref)))
    expect(runs(one)).toBeLessThanOrEqual(1)
  })

  test('what is another deployment’s is not seen and not touched', async () => {
    const other = open('theirs')
    const one = job('theirs')
    const ref = await create(one, other)
    expect(['absent', 'unknown']).toContain(profile.labels ? word(await look(ref)) : 'absent')
    if (profile.labels) for (const act of ['release', 'stop', 'remove'] as const) await meddle(act, ref)
    const listed = []
    for await (const found of backend.list(call)) listed.push(found.ref)
    expect(listed).not.toContain(ref)
    expect(await look(ref, other)).toEqual({ kind: 'inert' })
  })
  const meddle = async (act: 'release' | 'stop' | 'remove', ref: string): Promise<void> => {
    await (act === 'release' ? backend.release(ref, 1, call) : backend[act](ref, call)).catch(() => undefined)
  }

  test('observe answers for each ref, in their order', async () => {
    const [first, second] = [await create(job()), await create(job())]
    await backend.release(second, 1, call)
    await wait(HOUR)
    expect((await backend.observe([first, second, first], call)).map(word)).toEqual(['inert', 'ended', 'inert'])
  })
})
