import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import { EngineRejected } from '../../../lib/backends/contract.ts'
import type { Backend } from '../../../lib/backends/contract.ts'
import { call, refusal } from '../../contract/backend/bench.ts'
import type { Trial, Wish } from '../../contract/backend/bench.ts'
import { describeOnDocker } from './engine.ts'

jest.setTimeout(60_000)

describeOnDocker('how a container ends, on Docker', ({ bench, open, post, inspect }) => {
  interface StartFailure {
    wish?: Wish
    options?: Readonly<Record<string, unknown>>
    /** Between create and release. */
    before?: (trial: Trial) => Promise<void>
    reason: string
    words: RegExp
  }
  const failures: [name: string, failure: StartFailure][] = [
    ['a program that is not there', { wish: { argv: ['/no/such/program'] }, reason: 'CommandNotFound', words: /no such file/ }],
    [
      'a word that is in no directory of PATH',
      { wish: { argv: ['no-such-program'] }, reason: 'CommandNotFound', words: /not found in \$PATH/ },
    ],
    ['a file that is no program', { wish: { argv: ['/etc/passwd'] }, reason: 'NotExecutable', words: /permission denied/ }],
    ['a directory', { wish: { argv: ['/etc'] }, reason: 'NotExecutable', words: /permission denied|is a directory/ }],
    ['a user that cannot be', { wish: { user: { uid: 2 ** 32, gid: 1 } }, reason: 'UserRefused', words: /must be in range/ }],
    [
      'a directory that is gone by then',
      { before: withoutDirectories, reason: 'MountRefused', words: /does not exist: what is mounted at \/share\/incoming/ },
    ],
    ['a network that there is not', { options: { network: 'pman-no-such' }, reason: 'StartFailed', words: /pman-no-such not found/ }],
    ['a GPU that the engine has no driver for', { wish: { gpu: 1 }, reason: 'EngineRejected', words: /could not select device driver/ }],
  ]

  async function withoutDirectories({ job }: Trial): Promise<void> {
    const [mount] = job.spec.mounts
    await rm(join(bench.ground.storebase, mount?.source ?? ''), { recursive: true })
  }

  async function made({ wish, options, before }: StartFailure): Promise<{ trial: Trial; ref: string; driver: Backend }> {
    const driver = options === undefined ? bench.backend : open(options)
    const trial = await bench.trial('exit 0', wish)
    const ref = await bench.create(trial, driver)
    await before?.(trial)
    return { trial, ref, driver }
  }

  test.each(failures)('%s: the only attempt is refused with the engine\'s words, and leaves no container', async (_name, failure) => {
    const { trial, ref, driver } = await made(failure)
    const refused = await refusal(driver.release(ref, 1, call()))
    expect(refused).toMatchObject({ reason: failure.reason, message: expect.stringMatching(failure.words) as string })
    expect(refused.message).not.toContain(bench.ground.storebase)
    expect(await inspect(ref)).toBeUndefined()
    expect(await driver.find(trial.job.engineName, call())).toEqual([])
    expect(await trial.runs()).toBe(0)
  })

  test.each(failures)('%s: after a later attempt the container tells why, and cannot be started again', async (_name, failure) => {
    const { trial, ref, driver } = await made(failure)
    await expect(driver.release(ref, 2, call())).rejects.toThrow(EngineRejected)
    const end = { phase: 'ended', reason: failure.reason }
    const seen = await bench.look(ref)
    expect(seen).toMatchObject(end)
    expect(JSON.stringify(seen)).not.toContain(bench.ground.storebase)
    // Of a bind that is gone Docker keeps no words.
    if (failure.before === undefined) expect(seen).toMatchObject({ message: expect.stringMatching(failure.words) as string })
    for (const attempt of [1, 2, 3]) {
      await driver.release(ref, attempt, call())
      expect(await post(`/containers/${trial.job.engineName}-s${attempt}/start`)).toBe(404)
    }
    expect(await bench.look(ref)).toMatchObject(end)
    expect(await driver.logs(ref, { tailLines: 9, maxBytes: 9 }, call())).toEqual({ bytes: new Uint8Array(), truncated: false })
    expect(await driver.remove(ref, call())).toBe('gone')
    expect(await inspect(ref)).toBeUndefined()
  })

  test('a failed start that nobody fenced is inert, and the next attempt tells why', async () => {
    const trial = await bench.trial('', { argv: ['/no/such/program'] })
    const ref = await bench.create(trial)
    await post(`/containers/${ref}/rename`, { name: `${trial.job.engineName}-s1` })
    expect(await post(`/containers/${trial.job.engineName}-s1/start`)).toBe(400)
    expect(await bench.look(ref)).toEqual({ kind: 'inert' })
    await expect(bench.backend.release(ref, 2, call())).rejects.toMatchObject({ reason: 'CommandNotFound' })
    expect(await bench.look(ref)).toMatchObject({ phase: 'ended', reason: 'CommandNotFound', exitCode: 127 })
  })

  test('a part of a job that ran out of memory makes it fail, though the rest ended well', async () => {
    const { end } = await bench.run(await bench.trial('dd if=/dev/zero of=/dev/null bs=100M count=1; exit 0', { memory: 32 }))
    expect(end).toMatchObject({ reason: 'OutOfMemory', exitCode: 0 })
  })

  test('a signal to its first process, and one that the job passes on as shells do', async () => {
    const ref = await bench.start(await bench.trial('', { argv: ['sleep', '600'] }))
    expect(await post(`/containers/${ref}/kill`, { signal: 'SIGKILL' })).toBe(204)
    const words = (name: string): string => expect.stringContaining(name) as string
    expect(await bench.end(ref)).toMatchObject({ reason: 'KilledBySignal', exitCode: 137, message: words('SIGKILL') })
    const { end } = await bench.run(await bench.trial(`sh -c 'kill -SEGV $$'; exit $?`))
    expect(end).toMatchObject({ reason: 'KilledBySignal', exitCode: 139, message: words('SIGSEGV') })
  })

  test('a container that somebody has paused runs, says so, and can be stopped', async () => {
    const trial = await bench.trial('echo x >/share/outgoing/begun; sleep 600')
    const ref = await bench.start(trial)
    await bench.written(trial, 'begun')
    expect(await post(`/containers/${ref}/pause`)).toBe(204)
    expect(await bench.look(ref)).toMatchObject({ phase: 'running', message: 'is paused at the engine' })
    await bench.gone('stop', ref)
    expect(await bench.look(ref)).toMatchObject({ phase: 'ended', reason: 'KilledBySignal' })
  })

  test('its times are those of the engine', async () => {
    const { end } = await bench.run(await bench.trial('exit 0'))
    expect(end.startedAt).toBeGreaterThan(Date.now() - 600_000)
    expect(end.finishedAt).toBeGreaterThanOrEqual(end.startedAt ?? Infinity)
  })
})
