import { SCHEMA_VERSION, type JobRecord, type JobSpec } from '../../lib/jobs/types.ts'

const NOW = 1_000_000_000_000

/** A record as an intent leaves it, with what a test wants otherwise. */
export function record(fields: Partial<JobRecord> = {}): JobRecord {
  return {
    schemaVersion: SCHEMA_VERSION,
    compute: 'here',
    jid: 'job-1',
    generation: 1,
    state: 'submitting',
    warnings: [],
    createdAt: NOW,
    stateSince: NOW,
    readyAt: NOW,
    specHash: 'hash-1',
    requestId: 'request-1',
    image: 'local/plugin:1',
    auid: 'cube',
    command: ['plugin'],
    engineName: 'job-1-aaaaaaaaaaaaaaaa',
    epoch: 'epoch-1',
    leaseUntil: NOW + 30_000,
    attempt: 0,
    previous: [],
    history: [{ at: NOW, write: 'intent', state: 'submitting', by: 'test', writeId: 'write-1' }],
    writeId: 'write-1',
    ...fields,
  }
}

/** A small submission, with what a test wants otherwise. */
export function spec(fields: Partial<JobSpec> = {}): JobSpec {
  return {
    image: 'local/plugin:1',
    entrypoint: ['plugin'],
    args: ['--flag', 'value'],
    env: [],
    mounts: [],
    workers: 1,
    cpuLimit: 0,
    memoryLimit: 0,
    gpuLimit: 0,
    timeLimit: 0,
    auid: 'cube',
    ...fields,
  }
}
