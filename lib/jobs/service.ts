import { EngineRejected, type Health, type Supports } from '../backends/contract.ts'
import { errorText, invalid, PmanError } from '../errors.ts'
import { engineCall, freshId, idsOf, type ComputeSettings, type Core, type Turn } from './core.ts'
import { letGo } from './dispatcher.ts'
import { handToEngine } from './handover.ts'
import { CAPTURE_BOUNDS, look } from './look.ts'
import { clearPrevious } from './previous.ts'
import { timeLimitOf } from './engine-job.ts'
import { imageAllowed } from './image.ts'
import { inherited, isInherited } from './inherited.ts'
import { jidProblem } from './jid.ts'
import { isFinal, isObservable } from './lifecycle.ts'
import { tailOf } from './log-tail.ts'
import { engineName } from './naming.ts'
import { poll } from './poll.ts'
import { differingFields, specHash } from './spec-hash.ts'
import type { JobKey, JobRecord, JobSpec, LogTail, Principal, Scope } from './types.ts'
import { cancel, intent, isFree, remove } from './writes.ts'

/** Raw bytes of log that a status answer carries at most. */
const STATUS_LOG_BYTES = 1024 * 1024
/** argv up to this many bytes of JSON is kept in the job item; longer ones are read from the request item. */
const INLINE_COMMAND = 4096

/** A job as a caller may see it. */
export interface JobStatus {
  record: JobRecord
  argv: readonly string[]
  log: Uint8Array
}

/**
 * The use cases. Each checks the caller's rights first and throws PmanError: `forbidden`, `not_found`, `invalid`, `conflict`,
 * `engine_rejected`, `store_unavailable`, …; an engine that cannot be asked is not an error, the last known state is the answer.
 */
export interface JobService {
  /** The compute's settings, for hello. */
  describe(principal: Principal, compute: string): ComputeSettings
  /** Asks the engine for a sign of life; throws what the driver throws. */
  health(principal: Principal, compute: string): Promise<Health>
  submit(principal: Principal, key: JobKey, spec: JobSpec): Promise<JobStatus>
  status(principal: Principal, key: JobKey): Promise<JobStatus>
  /** The end of the job's output, from the engine while it has not ended. */
  logs(principal: Principal, key: JobKey, tailLines: number): Promise<LogTail>
  /** Stops the job and keeps its record. */
  cancel(principal: Principal, key: JobKey): Promise<JobStatus>
  /** Stops the job, removes it from the engine, frees the jid; done once the intent to do so is written. */
  delete(principal: Principal, key: JobKey): Promise<void>
}

export function jobService(core: Core): JobService {
  /** The settings of a compute that the caller may use so. */
  function compute(principal: Principal, name: string, scope: Scope): ComputeSettings {
    const settings = core.computes.get(name === DEFAULT ? core.defaultCompute : name)
    if (settings === undefined) throw new PmanError('not_found', `there is no compute "${name}" here`)
    const may = principal.scopes.includes(scope) && (principal.computes?.includes(settings.name) ?? true)
    if (!may) throw new PmanError('forbidden', `${principal.name} has no right to ${scope} jobs on compute "${settings.name}"`)
    return settings
  }

  /** The job that a caller means, by the compute's own name. No record has a jid that is not valid. */
  function meant(principal: Principal, given: JobKey, scope: Scope): { key: JobKey; settings: ComputeSettings } {
    const settings = compute(principal, given.compute, scope)
    const key = { compute: settings.name, jid: given.jid }
    if (jidProblem(key.jid) !== undefined) throw unknownJob(key)
    return { key, settings }
  }

  const turn = (principal: Principal): Turn => ({ by: principal.name, deadline: core.clock() + core.timing.requestBudget })
  const unknownJob = (key: JobKey): PmanError => new PmanError('not_found', `there is no job "${key.jid}" on compute "${key.compute}"`)

  async function existing(key: JobKey): Promise<JobRecord> {
    const record = await core.store.read(key)
    if (record === undefined || record.state === 'deleted') throw unknownJob(key)
    return record
  }

  /** The present state of a record that was just read or written, without asking anyone else but for a long argv. */
  async function view(record: JobRecord, log: Uint8Array = new Uint8Array()): Promise<JobStatus> {
    const spec = record.command === undefined ? await core.store.getRequest(record, record) : undefined
    return { record, argv: record.command ?? [...(spec?.entrypoint ?? []), ...(spec?.args ?? [])], log }
  }

  /** Throws `conflict`, naming what differs, for a jid that another submission has. */
  async function sameSubmission(record: JobRecord, spec: JobSpec, hash: string): Promise<JobStatus> {
    if (record.specHash === hash) return view(record)
    const other = await core.store.getRequest(record, record)
    const names = other === undefined ? [] : differingFields(spec, other)
    const fields = Object.fromEntries(names.map((name) => [name, 'differs from the job that has this jid']))
    throw new PmanError('conflict', `jid "${record.jid}" is in use by another submission; delete that job or use another jid`, { fields })
  }

  /** What is wrong with a request that no record has been made for yet. */
  async function check(settings: ComputeSettings, key: JobKey, spec: JobSpec, now: Turn): Promise<Supports> {
    const { imageAllowList } = settings
    if (imageAllowList !== undefined && !imageAllowed(spec.image, imageAllowList)) {
      throw invalid({ image: `not on the list of images that compute "${key.compute}" runs` })
    }
    const backend = await core.backend(key.compute)
    try {
      await engineCall(core, now, { ...key }, async (call) => backend.check?.(spec, call))
    } catch (error) {
      if (error instanceof EngineRejected) throw rejection(error.message, error.fields)
      core.log('check was not possible', { ...key, error: errorText(error) })
    }
    return backend.supports
  }

  async function begin(by: string, read: JobRecord | undefined, key: JobKey, spec: JobSpec, settings: ComputeSettings, supports: Supports) {
    const command = [...spec.entrypoint, ...spec.args]
    const requestId = freshId(core)
    await core.store.putRequest(key, { generation: (read?.generation ?? 0) + 1, requestId }, spec)
    core.reached?.('submit: request kept')
    const row = intent(read, {
      key,
      specHash: specHash(spec),
      requestId,
      image: spec.image,
      auid: spec.auid,
      command: JSON.stringify(command).length <= INLINE_COMMAND ? command : undefined,
      timeLimit: timeLimitOf(spec, settings),
      warnings: unsupported(spec, supports, settings),
      engineName: engineName(key.jid, core.random),
      epoch: freshId(core),
      leaseUntil: core.clock() + core.timing.lease,
    })
    return core.store.write(key, by, row, read)
  }

  /** The engine's part of a submission, as far as the request's time goes; `dispatch` does the rest. */
  async function begun(held: JobRecord, now: Turn): Promise<JobStatus> {
    const progress = await handToEngine(core, held, now, false)
    const { record, stage } = progress
    if (record.engineName === held.engineName && record.neverRan === true) throw rejection(record.message ?? 'the engine refused the job')
    if (stage === 'done') return view(record)
    const left = await letGo(core, progress, now.by)
    core.reached?.('submit: let go')
    await core.requestDispatch(left).catch((error: unknown) => core.log('dispatch is not asked for', { ...idsOf(left), error: errorText(error) }))
    return view(left)
  }

  async function submit(principal: Principal, given: JobKey, spec: JobSpec): Promise<JobStatus> {
    const { key, settings } = meant(principal, given, 'write')
    const now = turn(principal)
    const hash = specHash(spec)
    let read = await core.store.read(key)
    let supports: Supports | undefined
    for (;;) {
      if (read !== undefined && (!isFree(read) || (read.state !== 'deleted' && read.specHash !== hash))) {
        return sameSubmission(read, spec, hash)
      }
      supports ??= await check(settings, key, spec, now)
      const { applied, record } = await begin(principal.name, read, key, spec, settings, supports)
      if (!applied || record === undefined) {
        read = record
        continue
      }
      core.log('accepted', { ...idsOf(record), by: principal.name, engineName: record.engineName })
      core.reached?.('submit: intent written')
      return begun(record, now)
    }
  }

  async function status(principal: Principal, given: JobKey): Promise<JobStatus> {
    const { key, settings } = meant(principal, given, 'read')
    const found = (await core.store.readWithLog(key, STATUS_LOG_BYTES)) ?? (await inherited(core, key, turn(principal)))
    if (found === undefined || found.record.state === 'deleted') throw unknownJob(key)
    const { record, log } = found
    const shown = (all: LogTail): Uint8Array => tailOf(all, { tailLines: settings.logsTail, maxBytes: STATUS_LOG_BYTES }).bytes
    if (!isObservable(record) || isInherited(record)) return view(record, shown(log))
    const polled = await poll(core, record, turn(principal), { known: log.bytes, tailLines: settings.logsTail })
    if (polled === record) return view(record, shown(log))
    const after = await core.store.readWithLog(key, STATUS_LOG_BYTES)
    if (after === undefined || after.record.state === 'deleted') throw unknownJob(key)
    return view(after.record, shown(after.log))
  }

  async function logs(principal: Principal, given: JobKey, tailLines: number): Promise<LogTail> {
    const { key } = meant(principal, given, 'read')
    const bounds = { ...CAPTURE_BOUNDS, tailLines }
    const found = (await core.store.readWithLog(key, bounds.maxBytes)) ?? (await inherited(core, key, turn(principal)))
    if (found === undefined || found.record.state === 'deleted') throw unknownJob(key)
    const { record, log } = found
    const { ref } = record
    if (!isObservable(record) || ref === undefined || isInherited(record)) return tailOf(log, bounds)
    const backend = await core.backend(key.compute)
    if (!backend.supports.logsWhileRunning) return tailOf(log, bounds)
    try {
      return await engineCall(core, turn(principal), idsOf(record), (call) => backend.logs(ref, bounds, call))
    } catch (error) {
      core.log('log is not readable', { ...idsOf(record), error: errorText(error) })
      return tailOf(log, bounds)
    }
  }

  return {
    describe: (principal, name) => compute(principal, name, 'read'),

    async health(principal, name) {
      const { name: own } = compute(principal, name, 'read')
      const backend = await core.backend(own)
      return engineCall(core, turn(principal), { compute: own }, (call) => backend.health(call))
    },

    submit,
    status,
    logs,

    async cancel(principal, given) {
      const { key } = meant(principal, given, 'write')
      const record = await existing(key)
      const row = cancel({ engineName: record.engineName, epoch: freshId(core), reason: 'CancelRequested' })
      const result = await core.store.write(key, principal.name, row, record)
      const after = result.record ?? record
      core.reached?.('cancel: written')
      core.log('cancel', { ...idsOf(after), by: principal.name, applied: result.applied })
      if (after.state === 'deleted') throw unknownJob(key)
      return view(isFinal(after.state) ? after : await look(core, after, turn(principal)))
    },

    async delete(principal, given) {
      const { key } = meant(principal, given, 'write')
      const record = await core.store.read(key)
      if (record === undefined) throw unknownJob(key)
      const row = remove({ engineName: record.engineName, epoch: freshId(core) })
      const result = await core.store.write(key, principal.name, row, record)
      core.reached?.('delete: written')
      core.log('delete', { ...idsOf(record), by: principal.name, applied: result.applied })
      if (result.applied && result.record !== undefined) await clearPrevious(core, result.record, turn(principal))
    },
  }
}

/** The alias of the compute that /api/v1/ uses. */
const DEFAULT = 'default'

const rejection = (message: string, fields?: Readonly<Record<string, string>>): PmanError =>
  fields === undefined ? new PmanError('engine_rejected', message) : invalid(fields)

/** Fields of the spec, and what the compute must support to honour them. */
const NEEDS = {
  memoryLimit: 'memoryLimit',
  cpuLimit: 'cpuLimit',
  gpuLimit: 'gpuLimit',
  workers: 'workers',
} as const satisfies Partial<Record<keyof JobSpec, keyof Supports>>

/** What was asked for and this engine does not do: told in the answer, never ignored silently. */
function unsupported(spec: JobSpec, supports: Supports, settings: ComputeSettings): string[] {
  const fields = Object.keys(NEEDS) as (keyof typeof NEEDS)[]
  return fields.filter((field) => {
    if (field === 'workers') return spec.workers > 1 && !supports.workers
    return spec[field] > 0 && (settings.ignoreLimits || !supports[NEEDS[field]])
  })
}
