import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import axios, { type AxiosInstance } from 'axios'
import { errorText } from '../../lib/errors.ts'
import { startStack, type Stack } from './stack.ts'

/** `npm run demo`: one job over real files, from its submission to its end, on a service of its own. Also an example of a client. */

const PLUGIN = join(import.meta.dirname, '..', '..', 'examples', 'plugin')
const JID = 'demo-1'
const TIME_LIMIT = 45_000

const began = Date.now()
const say = (text: string) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text}`)

interface Job {
  status: string
  message: string
  logs: string
}

/** Submits the job as pfcon 5.2 does: the image's program, and directories relative to the storebase. */
const submit = (api: AxiosInstance) =>
  api.post<Job>('', {
    jid: JID,
    image: 'examples/brightness',
    entrypoint: ['node', join(PLUGIN, 'brightness.mjs')],
    args: ['--pause', '0.3'],
    args_path_flags: [],
    type: 'ds',
    input_dir: 'demo/incoming',
    output_dir: 'demo/outgoing',
    auid: 'demo',
    number_of_workers: 1,
    cpu_limit: 1000,
    memory_limit: 200,
    gpu_limit: 0,
    env: [],
  })

/** Polls until the job has finished, and shows each change of its state and each new line of its log. */
async function watch(api: AxiosInstance): Promise<Job> {
  let shown = ''
  let lines = 0
  for (;;) {
    const { data: job } = await api.get<Job>(`${JID}/`)
    if (job.status !== shown) say(`GET    ${JID}: ${job.status} (${job.message})`)
    shown = job.status
    const log = job.logs.split('\n').slice(0, -1)
    for (const line of log.slice(lines)) say(`         | ${line}`)
    lines = log.length
    if (job.status.startsWith('finished')) return job
    await sleep(200)
  }
}

async function demo({ url, token }: Stack, storebase: string): Promise<void> {
  const api = axios.create({ baseURL: `${url}/api/v1/`, headers: { Authorization: `Bearer ${token}` } })
  const { data: hello } = await api.get<object>('')
  say(`GET    /api/v1/: ${JSON.stringify(hello)}`)

  const incoming = join(storebase, 'demo', 'incoming')
  const outgoing = join(storebase, 'demo', 'outgoing')
  await cp(join(PLUGIN, 'images'), incoming, { recursive: true })
  await mkdir(outgoing)
  say(`input: ${(await readdir(incoming)).join(', ')}`)

  const { status, data } = await submit(api)
  say(`POST   ${JID}: ${status}, ${data.status}`)
  const job = await watch(api)
  if (job.status !== 'finishedSuccessfully') throw new Error(`the job ended as ${job.status} (${job.message})`)

  const made = await readdir(outgoing)
  say(`output: ${made.join(', ')}`)
  if (!made.includes('summary.json')) throw new Error('the job has made no summary.json')
  console.log((await readFile(join(outgoing, 'summary.json'), 'utf8')).trimEnd().replaceAll(/^/gm, '           '))

  say(`DELETE ${JID}: ${(await api.delete(`${JID}/`)).status}`)
  const after = await api.get(`${JID}/`, { validateStatus: () => true })
  say(`GET    ${JID}: ${after.status} ${JSON.stringify(after.data)}`)
  if (after.status !== 404) throw new Error('a deleted job must be unknown')
}

/** Rejects when the demo has to end early. */
const cut = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => reject(new Error('interrupted')))
  setTimeout(() => reject(new Error(`not done after ${TIME_LIMIT / 1000} s`)), TIME_LIMIT).unref()
})
cut.catch(() => undefined)

const root = await mkdtemp(join(tmpdir(), 'pman-demo-'))
const storebase = join(root, 'data')
// The machine's own settings stay out.
const env = { PATH: process.env.PATH, HOME: root, CONTAINER_ENV: 'local', STORAGE_TYPE: 'host', STOREBASE: storebase }
let stack: Stack | undefined
try {
  await mkdir(storebase)
  stack = await startStack({ stateDir: join(root, 'state'), env })
  say(`serving ${stack.url}/api/v1/`)
  const stopped = stack.exited.then((how) => Promise.reject(new Error(`the server has ended by itself (${how})`)))
  stopped.catch(() => undefined)
  await Promise.race([demo(stack, storebase), stopped, cut])
} catch (error) {
  const answer = axios.isAxiosError(error) && error.response ? ` ${JSON.stringify(error.response.data)}` : ''
  console.error(['', `npm run demo: ${errorText(error)}${answer}`, ...(stack?.lastLines() ?? [])].join('\n  '))
  process.exitCode = 1
} finally {
  await stack?.stop()
  await rm(root, { recursive: true, force: true })
}
if (process.exitCode === undefined) say('everything is stopped again')
process.exit()
