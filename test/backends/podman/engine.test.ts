import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import { docker } from '../../../lib/backends/docker/index.ts'
import type { Backend } from '../../../lib/backends/contract.ts'
import { call, refusal } from '../../contract/backend/bench.ts'
import type { Wish } from '../../contract/backend/bench.ts'
import { dockerDriver } from '../../contract/backend/docker-harness.ts'
import { podmanBySocket, WITHOUT_PODMAN } from '../../contract/backend/podman-harness.ts'
import { describeOn } from '../docker/engine.ts'

jest.setTimeout(60_000)

const reach = podmanBySocket()

describeOn(reach, WITHOUT_PODMAN, 'what a container is given and how it ends, on Podman', ({ bench, open, post, inspect }) => {
  const limits: [setting: string, wish: Wish, options: Readonly<Record<string, unknown>> | undefined, part: object][] = [
    ['memory_limit, without swap beyond it', { memory: 200 }, undefined, { Memory: 209_715_200, MemorySwap: 209_715_200 }],
    ['cpu_limit', { cpu: 1500 }, undefined, { NanoCpus: 1_500_000_000, CpuQuota: 150_000 }],
    ['no limits', {}, undefined, { Memory: 0, NanoCpus: 0 }],
    ['SHM_SIZE', { shmSizeMiB: 64 }, undefined, { ShmSize: 67_108_864 }],
    ['pidsLimit', {}, { pidsLimit: 77 }, { PidsLimit: 77 }],
    ['no new privileges', {}, undefined, { SecurityOpt: ['no-new-privileges'], Privileged: false }],
    ['network', {}, { network: 'none' }, { NetworkMode: 'none' }],
    ['no restart, no removal by itself', {}, undefined, { RestartPolicy: { Name: 'no', MaximumRetryCount: 0 }, AutoRemove: false }],
  ]
  test.each(limits)('%s', async (_setting, wish, options, part) => {
    const driver = options === undefined ? bench.backend : open(options)
    const { HostConfig = {} } = (await inspect(await bench.create(await bench.trial('exit 0', wish), driver))) ?? {}
    expect(HostConfig).toMatchObject(part)
  })

  test('inside: no capabilities, no new privileges, the limits, and nothing of the service\'s environment', async () => {
    const memory = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max'
    const looks = [`grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status`, memory, 'df -k /dev/shm | tail -1', 'env']
    const script = `{ ${looks.join('; ')}; } >/share/outgoing/seen 2>/dev/null; exit 0`
    const trial = await bench.trial(script, { memory: 64, shmSizeMiB: 32, env: ['A=b'] })
    await bench.run(trial)
    const seen = (await trial.output('seen')).toString()
    expect(seen).toMatch(/CapEff:\s0{16}\nCapBnd:\s0{16}\nNoNewPrivs:\s1\n67108864\n/)
    expect(seen).toContain('32768')
    expect(seen).not.toMatch(/proxy|CONTAINERS_CONF/i)
  })

  test('more CPUs than the host has: all of them, and a message that says so', async () => {
    const { end } = await bench.run(await bench.trial('exit 0', { cpu: 900_000 }))
    expect(end).toMatchObject({ exitCode: 0, message: expect.stringContaining('cpu_limit: 900000m is more than') as string })
  })

  test('a memory limit in which nothing can start is refused by its field', async () => {
    const { job } = await bench.trial('exit 0', { memory: 1 })
    expect((await refusal(bench.backend.create(job, undefined, call()))).fields).toEqual({ memory_limit: expect.stringContaining('6 MiB') as string })
    expect(await bench.backend.find(job.engineName, call())).toEqual([])
  })

  test('a job that was killed within a memory limit says that this may be why', async () => {
    const { end } = await bench.run(await bench.trial('exec dd if=/dev/zero of=/dev/null bs=100M count=1', { memory: 32 }))
    expect(end).toMatchObject({ reason: 'KilledBySignal', exitCode: 137, message: expect.stringContaining('may have needed more memory') as string })
  })

  const failures: [string, Wish, string, RegExp][] = [
    ['a program that is not there', { argv: ['/no/such/program'] }, 'CommandNotFound', /no such file/],
    ['a word that is in no directory of PATH', { argv: ['no-such-program'] }, 'CommandNotFound', /not found in \$PATH/],
    ['a file that is no program', { argv: ['/etc/passwd'] }, 'NotExecutable', /permission denied/],
    ['a GPU that the engine does not know', { gpu: 1 }, 'EngineRejected', /nvidia\.com\/gpu=0/],
  ]
  test.each(failures)('%s: the only attempt is refused with the engine\'s words, and leaves no container', async (_name, wish, reason, words) => {
    const trial = await bench.trial('exit 0', wish)
    const ref = await bench.create(trial)
    expect(await refusal(bench.backend.release(ref, 1, call()))).toMatchObject({ reason, message: expect.stringMatching(words) as string })
    expect(await inspect(ref)).toBeUndefined()
    expect(await trial.runs()).toBe(0)
  })

  test.each(failures)('%s: after a later attempt its name tells why, and it cannot be started again', async (_name, wish, reason) => {
    const trial = await bench.trial('exit 0', wish)
    const ref = await bench.create(trial)
    await refusal(bench.backend.release(ref, 2, call()))
    expect((await inspect(ref))?.Name).toMatch(new RegExp(`-f-${ref.slice(0, 12)}-${reason}$`))
    expect(await bench.look(ref)).toEqual({ kind: 'state', phase: 'ended', reason })
    for (const attempt of [1, 2, 3]) {
      await bench.backend.release(ref, attempt, call())
      expect(await post(`/containers/${trial.job.engineName}-s${attempt}/start`)).toBe(404)
    }
    expect(await trial.runs()).toBe(0)
  })

  test('a directory that is gone by the time of the start', async () => {
    const trial = await bench.trial('exit 0')
    const ref = await bench.create(trial)
    await rm(join(bench.ground.storebase, trial.job.spec.mounts[0]?.source ?? ''), { recursive: true })
    const refused = await refusal(bench.backend.release(ref, 1, call()))
    expect(refused).toMatchObject({ reason: 'MountRefused', message: expect.stringContaining('what is mounted at /share/incoming') as string })
    expect(refused.message).not.toContain(bench.ground.storebase)
    expect(await inspect(ref)).toBeUndefined()
  })

  test('a late start of a name that an attempt has taken away, and of a create that came late', async () => {
    const trial = await bench.trial('exit 0')
    const { ref } = await bench.run(trial)
    expect(await post(`/containers/${trial.job.engineName}/start`)).toBe(404)
    const late = await bench.create(trial)
    expect(late).not.toBe(ref)
    await bench.backend.release(ref, 2, call())
    expect(await bench.runsAfterAll(trial)).toBe(1)
  })

  test('lines of both streams and of any length, the last one without its end', async () => {
    const trial = await bench.trial(`i=0; while [ $i -lt 3000 ]; do printf 0123456789; i=$((i+1)); done; echo; echo two; printf three`)
    const { ref } = await bench.run(trial)
    const log = await bench.backend.logs(ref, { tailLines: 2, maxBytes: 1000 }, call())
    expect({ text: Buffer.from(log.bytes).toString(), truncated: log.truncated }).toEqual({ text: 'two\nthree', truncated: true })
    const all = await bench.backend.logs(ref, { tailLines: 9, maxBytes: 1 << 20 }, call())
    expect(Buffer.from(all.bytes).toString()).toBe(`${'0123456789'.repeat(3000)}\ntwo\nthree`)
    expect((await bench.backend.logs(ref, { tailLines: 0, maxBytes: 9 }, call())).truncated).toBe(true)
  })

  test('a compute of the type docker that meets a Podman speaks as to a Podman', async () => {
    const where = reach === undefined ? undefined : { ...reach, driver: docker }
    const driver: Backend = where === undefined ? bench.backend : dockerDriver(where, bench.ground.storebase, bench.deployment)
    expect((await driver.health(call())).version).toMatch(/^Podman \d/)
    const { job } = await bench.trial('exit 0')
    const missing = { ...job, spec: { ...job.spec, mounts: job.spec.mounts.map((mount) => ({ ...mount, source: `${mount.source}/none` })) } }
    await refusal(driver.create(missing, undefined, call()))
    const trial = await bench.trial('exit 0')
    const ref = await bench.create(trial, driver)
    await driver.release(ref, 1, call())
    expect(await bench.end(ref)).toMatchObject({ reason: 'Completed' })
  })
})
