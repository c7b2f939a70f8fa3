import { jest } from '@jest/globals'
import { Containers } from '../../../lib/backends/docker/container.ts'
import type { Container } from '../../../lib/backends/docker/container.ts'
import { release } from '../../../lib/backends/docker/release.ts'
import { remove, stop } from '../../../lib/backends/docker/stop.ts'
import type { DockerApi } from '../../../lib/engines/docker-api.ts'
import { call } from '../../contract/backend/bench.ts'
import type { Trial } from '../../contract/backend/bench.ts'
import { describeOnDocker } from './engine.ts'

jest.setTimeout(120_000)

/** A holder that stops before its n-th call and goes on when it is told to, however late that is. */
class Stalled extends Containers {
  readonly #before: number
  #count = 0
  #reached: () => void = () => undefined
  #goOn: () => void = () => undefined
  readonly reached = new Promise<void>((resolve) => (this.#reached = resolve))
  readonly #told = new Promise<void>((resolve) => (this.#goOn = resolve))

  constructor(api: DockerApi, deployment: string, before: number) {
    super(api, { deployment, compute: 'contract' })
    this.#before = before
  }

  goOn(): void {
    this.#goOn()
  }

  async #pass<T>(ask: () => Promise<T>): Promise<T> {
    if (++this.#count === this.#before) {
      this.#reached()
      await this.#told
    }
    return ask()
  }

  override get(ref: string, signal: AbortSignal): Promise<Container | undefined> {
    return this.#pass(() => super.get(ref, signal))
  }
  override rename(ref: string, name: string, signal: AbortSignal): Promise<boolean> {
    return this.#pass(() => super.rename(ref, name, signal))
  }
  override start(name: string, signal: AbortSignal): Promise<boolean> {
    return this.#pass(() => super.start(name, signal))
  }
  override stop(ref: string, grace: number, signal: AbortSignal): Promise<void> {
    return this.#pass(() => super.stop(ref, grace, signal))
  }
  override remove(ref: string, signal: AbortSignal): Promise<void> {
    return this.#pass(() => super.remove(ref, signal))
  }
}

/** A release looks, renames, looks, starts. */
const PLACES = [1, 2, 3, 4]

describeOnDocker('calls that come late, on Docker', ({ bench, api, post, inspect }) => {
  type Act = (containers: Containers, ref: string) => Promise<unknown>
  const attempt = (count: number): Act => (containers, ref) => release(containers, ref, count, call())
  const stopped: Act = (containers, ref) => stop(containers, ref, 1, call())
  const removed: Act = (containers, ref) => remove(containers, ref, 1, call())

  /** Runs the first until it stalls, then the second until it does; then the first to its end, then the second. */
  async function crossed(ref: string, first: Act, firstPlace: number, second: Act, secondPlace: number): Promise<void> {
    const begin = async (act: Act, place: number) => {
      const holder = new Stalled(api, bench.deployment, place)
      const done = act(holder, ref).then(() => undefined, () => undefined)
      await Promise.race([holder.reached, done])
      return async () => {
        holder.goOn()
        await done
      }
    }
    const finishFirst = await begin(first, firstPlace)
    const finishSecond = await begin(second, secondPlace)
    await finishFirst()
    await finishSecond()
  }

  const pairs = PLACES.flatMap((one) => PLACES.map((other) => [one, other] as const))

  async function trials(): Promise<{ trial: Trial; ref: string; places: readonly [number, number] }[]> {
    return Promise.all(
      pairs.map(async (places) => {
        const trial = await bench.trial('exit 0')
        return { trial, ref: await bench.create(trial), places }
      }),
    )
  }

  test('two attempts, each stalled before any of its calls: the job runs once, at the latest by the next', async () => {
    const all = await trials()
    for (const { ref, places } of all) await crossed(ref, attempt(1), places[0], attempt(2), places[1])
    for (const { ref } of all) if ((await bench.look(ref)).kind === 'inert') await bench.backend.release(ref, 3, call())
    for (const { ref } of all) expect(await bench.end(ref)).toMatchObject({ exitCode: 0 })
    for (const { ref } of all) await bench.backend.release(ref, 4, call())
    await bench.watch()
    expect(await Promise.all(all.map(async ({ trial, places }) => [places, await trial.runs()]))).toEqual(pairs.map((places) => [places, 1]))
  })

  test.each([
    ['stop', stopped],
    ['remove', removed],
  ] as const)('an attempt and a %s, each stalled before any of its calls: once it is gone it never runs again', async (act, other) => {
    const all = await trials()
    for (const { ref, places } of all) await crossed(ref, attempt(1), places[0], other, places[1])
    for (const { ref } of all) await bench.gone(act, ref)
    const runs = await Promise.all(all.map(({ trial }) => trial.runs()))
    for (const { ref } of all) await bench.backend.release(ref, 2, call())
    await bench.watch()
    expect(await Promise.all(all.map(({ trial }) => trial.runs()))).toEqual(runs)
    expect(runs.every((count) => count <= 1)).toBe(true)
  })

  test('a stop that had said "gone" holds against an attempt that was stalled at any of its calls', async () => {
    const all = await Promise.all(PLACES.map(async (place) => ({ place, trial: await bench.trial('exit 0') })))
    for (const { place, trial } of all) {
      const ref = await bench.create(trial)
      const holder = new Stalled(api, bench.deployment, place)
      const late = attempt(1)(holder, ref)
      await holder.reached
      await bench.gone('stop', ref)
      holder.goOn()
      await late
    }
    await bench.watch()
    expect(await Promise.all(all.map(({ trial }) => trial.runs()))).toEqual(PLACES.map(() => 0))
  })

  test('a stop that has not come to its delete holds against every release that begins after it', async () => {
    const trial = await bench.trial('exit 0')
    const ref = await bench.create(trial)
    // It looks, renames, looks, deletes.
    const holder = new Stalled(api, bench.deployment, 4)
    const late = stopped(holder, ref)
    await holder.reached
    for (const count of [1, 2]) await bench.backend.release(ref, count, call())
    expect(await bench.look(ref)).toEqual({ kind: 'state', phase: 'stopping' })
    holder.goOn()
    expect(await late).toBe('gone')
    expect(await bench.runsAfterAll(trial)).toBe(0)
  })

  test('a late start finds its name taken away', async () => {
    const trial = await bench.trial('exit 0')
    const { engineName } = trial.job
    const ref = await bench.create(trial)
    expect(await post(`/containers/${ref}/rename`, { name: `${engineName}-s1` })).toBe(204)
    await bench.backend.release(ref, 2, call())
    await bench.end(ref)
    for (const name of [engineName, `${engineName}-s1`]) expect(await post(`/containers/${name}/start`)).toBe(404)
    expect(await bench.runsAfterAll(trial)).toBe(1)
  })

  test('a late create makes a second container, which nothing starts, and which is found and removed by itself', async () => {
    const trial = await bench.trial('sleep 600')
    const ref = await bench.start(trial)
    const late = await bench.create(trial)
    expect(late).not.toBe(ref)
    expect(await bench.look(late)).toEqual({ kind: 'inert' })
    expect((await bench.backend.find(trial.job.engineName, call())).map((one) => one.ref).sort()).toEqual([ref, late].sort())
    expect(await bench.backend.stop(late, call())).toBe('gone')
    expect(await inspect(late)).toBeUndefined()
    expect(await bench.look(ref)).toMatchObject({ phase: 'running' })
    await bench.gone('remove', ref)
    expect(await trial.runs()).toBe(1)
  })

  test('a leftover does not keep its namesake from being stopped', async () => {
    const trial = await bench.trial('echo x >/share/outgoing/begun; sleep 600')
    const ref = await bench.start(trial)
    await bench.written(trial, 'begun')
    const leftover = await bench.create(trial)
    await bench.gone('stop', ref)
    expect(await bench.backend.stop(leftover, call())).toBe('gone')
    expect(await bench.look(ref)).toMatchObject({ phase: 'ended' })
  })
})
