// Releases a job and does not end, until it is killed: `tsx release-and-wait.ts JOBS STOREBASE REF`.
import { local } from '../../../lib/backends/local/index.ts'

const [directory = '', storebase = '', ref = ''] = process.argv.slice(2)
const backend = local.open({
  compute: 'local',
  deployment: 'ours',
  host: 'machine',
  storage: { type: 'host', storebase },
  options: { directory, killGrace: 300 },
  credentials: async () => undefined,
})
await backend.release(ref, 1, { signal: new AbortController().signal, deadline: Date.now() + 30_000, log: () => undefined })
console.log('released')
setInterval(() => undefined, 1000)
