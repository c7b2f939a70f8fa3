import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import axios, { type AxiosInstance } from 'axios'
import { errorText } from '../../lib/errors.ts'
import { findContainerEngine, usualSockets, type ContainerEngine } from './container-engine.ts'
import { startStack, type Stack } from './stack.ts'

/**
 * `npm run demo`: one job over real files, from its submission to its end, on a service of its own; in a container where a Docker or a
 * Podman answers, and otherwise as a process. Also an example of a client.
 */

const PLUGIN = join(import.meta.dirname, '..', '..', 'examples', 'plugin')
const JID = 'demo-1'
/** For all of it, for an image to be there, and for whatever keeps it away to pass, in ms. */
const TIME_LIMIT = 120_000
const IMAGE_WITHIN = 60_000
const TROUBLE_PASSES = 8_000
/** Any image with a POSIX shell and awk will do. */
const IMAGE = process.env.PMAN_DEMO_IMAGE ?? 'docker.io/library/busybox:1.37'

const began = Date.now()
const say = (text: string) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text}`)

interface Job {
  status: string
  message: string
  logs: string
}

/** The engine could not be had for the demo, through no fault of the service. */
class NoImage extends Error {}

/** Submits the job as pfcon 5.2 does, with directories relative to the storebase; the program comes along as a word of its command. */
const submit = async (api: AxiosInstance) =>
  api.post<Job>('', {
    jid: JID,
    image: IMAGE,
    entrypoint: ['sh', '-c', await readFile(join(PLUGIN, 'brightness.sh'), 'utf8'), 'brightness'],
    args: ['--pause', '1'],
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
  let patience = Date.now() + IMAGE_WITHIN
  let shown = ''
  let lines = 0
  let started = false
  for (;;) {
    const { data: job } = await api.get<Job>(`${JID}/`)
    const told = `${job.status} (${job.message})`
    if (told !== shown) {
      say(`GET    ${JID}: ${told}`)
      if (job.message.startsWith('pulling: ')) patience = Math.min(patience, Date.now() + TROUBLE_PASSES)
    }
    shown = told
    const log = job.logs.split('\n').slice(0, -1)
    for (const line of log.slice(lines)) say(`         | ${line}`)
    lines = log.length
    started ||= job.status === 'started'
    if (job.status === 'finishedWithError' && /\bimage\b/.test(job.message) && !started) throw new NoImage(job.message)
    if (job.status === 'notstarted' && Date.now() > patience) throw new NoImage(job.message)
    if (job.status.startsWith('finished')) return job
    await Promise.race([sleep(200), cut])
  }
}

async function demo({ url, token }: Stack, storebase: string): Promise<void> {
  const api = axios.create({ baseURL: `${url}/api/v1/`, headers: { Authorization: `Bearer ${token}` }, proxy: false, timeout: 30_000 })
  const { data: hello } = await api.get<object>('')
  say(`GET    /api/v1/: ${JSON.stringify(hello)}`)

  const incoming = join(storebase, 'demo', 'incoming')
  const outgoing = join(storebase, 'demo', 'outgoing')
  await cp(join(PLUGIN, 'images'), incoming, { recursive: true })
  await mkdir(outgoing)
  say(`input: ${(await readdir(incoming)).join(', ')}`)

  const { status, data } = await submit(api)
  say(`POST   ${JID}: ${status}, ${data.status}`)
  try {
    const job = await watch(api)
    if (job.status !== 'finishedSuccessfully') throw new Error(`the job ended as ${job.status} (${job.message})`)

    const made = await readdir(outgoing)
    say(`output: ${made.join(', ')}`)
    if (!made.includes('summary.json')) throw new Error('the job has made no summary.json')
    console.log((await readFile(join(outgoing, 'summary.json'), 'utf8')).trimEnd().replaceAll(/^/gm, '           '))
  } finally {
    say(`DELETE ${JID}: ${(await api.delete(`${JID}/`)).status}`)
  }
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

/** pman's variables for this engine. A job writes its output as the person who reads it. */
function variables(engine: ContainerEngine | undefined): Record<string, string> {
  if (engine === undefined) return { CONTAINER_ENV: 'local' }
  const user = engine.rootless || process.getuid === undefined ? {} : { CONTAINER_USER: `${process.getuid()}:${process.getgid?.() ?? 0}` }
  return { CONTAINER_ENV: engine.type, DOCKER_HOST: engine.host, ...user }
}

async function demoOn(engine: ContainerEngine | undefined): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'pman-demo-'))
  const storebase = join(root, 'data')
  // The machine's own settings stay out.
  const env = { PATH: process.env.PATH, HOME: root, STORAGE_TYPE: 'host', STOREBASE: storebase, ...variables(engine) }
  let stack: Stack | undefined
  try {
    await mkdir(storebase)
    stack = await startStack({ stateDir: join(root, 'state'), env })
    say(`serving ${stack.url}/api/v1/`)
    const stopped = stack.exited.then((how) => Promise.reject(new Error(`the server has ended by itself (${how})`)))
    stopped.catch(() => undefined)
    // who interrupts it leaves no job behind: the demo itself heeds the cut
    await Promise.race([demo(stack, storebase), stopped])
  } catch (error) {
    if (error instanceof NoImage) throw error
    const answer = axios.isAxiosError(error) && error.response ? ` ${JSON.stringify(error.response.data)}` : ''
    throw new Error([`${errorText(error)}${answer}`, ...(stack?.lastLines() ?? [])].join('\n  '), { cause: error })
  } finally {
    await stack?.stop()
    await rm(root, { recursive: true, force: true })
  }
}

try {
  const engine = await findContainerEngine(usualSockets(process.env))
  if (engine === undefined) say('engine: local (no Docker or Podman answers on its socket)')
  else say(`engine: ${engine.type} at ${engine.host}, image ${IMAGE}`)
  await demoOn(engine).catch(async (error: unknown) => {
    if (!(error instanceof NoImage)) throw error
    say(`the image could not be had (${error.message}); PMAN_DEMO_IMAGE names another one. The same with engine: local`)
    await demoOn(undefined)
  })
  say('everything is stopped again')
} catch (error) {
  console.error(`\n  npm run demo: ${errorText(error)}`)
  process.exitCode = 1
}
process.exit()
