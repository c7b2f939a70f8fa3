import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

export interface Login {
  username: string
  password: string
}

/** A real registry on a loopback port of its own, as a process of the test's. */
export interface Registry {
  /** `127.0.0.1:port` */
  host: string
  /** Digests of the blobs that have been sent, once for each time. */
  blobsSent(): string[]
  /** From now on it lets in who has this login, and nobody else. */
  changeLogin(login: Login): Promise<void>
  stop(): Promise<void>
}

/** Debian's package `docker-registry`, and perl for bcrypt, which the C library has and Node.js has not. */
export function registryMissing(): string | undefined {
  const missing = ['docker-registry', 'perl'].filter((program) => {
    try {
      execFileSync('/bin/sh', ['-c', `command -v ${program}`], { stdio: 'ignore' })
      return false
    } catch {
      return true
    }
  })
  return missing.length === 0 ? undefined : `there is no ${missing.join(', ')} here`
}

/** Starts one, empty; with a login, it lets nobody else in. */
export async function startRegistry(login?: Login): Promise<Registry> {
  const directory = await mkdtemp(join(tmpdir(), 'pman-registry-'))
  await mkdir(join(directory, 'data'))
  const passwords = join(directory, 'htpasswd')
  const auth = login === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: passwords } } }
  const changeLogin = ({ username, password }: Login): Promise<void> => writeFile(passwords, `${username}:${bcrypt(password)}\n`)
  if (login !== undefined) await changeLogin(login)
  const config = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') } },
    http: { addr: '127.0.0.1:0', secret: randomBytes(16).toString('hex') },
    ...auth,
  }
  // JSON is YAML too.
  await writeFile(join(directory, 'config.yml'), JSON.stringify(config))
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const host = await new Promise<string>((resolve, reject) => {
    const heard = (chunk: Buffer): void => {
      output += chunk.toString()
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(output)?.[1]
      if (address !== undefined) resolve(address)
    }
    child.stdout.on('data', heard)
    child.stderr.on('data', heard)
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`docker-registry did not start: ${output}`)))
  })
  return {
    host,
    blobsSent: () => [...output.matchAll(/"GET \/v2\/\S+\/blobs\/(sha256:[0-9a-f]{64})\S* HTTP\/1\.1" 200/g)].map(([, digest = '']) => digest),
    changeLogin,
    stop: async () => {
      await ended(child)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await exit
}

function bcrypt(password: string): string {
  const salt = randomBytes(16).toString('base64').replace(/[^A-Za-z0-9]/g, '.').slice(0, 21)
  return execFileSync('perl', ['-e', 'print crypt($ARGV[0], $ARGV[1])', password, `$2b$05$${salt}.`], { encoding: 'utf8' })
}

/** An image in a registry, each of its layers a file of random bytes, which no engine has yet. */
export interface Pushed {
  /** `host/name:tag` */
  image: string
  /** `host/name@sha256:…` */
  digest: string
  /** Digests, in their order. */
  layers: readonly string[]
}

/** Puts an image into a registry by its own API (github.com/opencontainers/distribution-spec, "Push"). Throws if it does not take it. */
export async function pushImage(host: string, { login, ...size }: { login?: Login } & ImageSize = {}): Promise<Pushed> {
  const name = `test-${randomBytes(6).toString('hex')}/box`
  const pair = login === undefined ? '' : Buffer.from(`${login.username}:${login.password}`).toString('base64')
  const headers: Record<string, string> = pair === '' ? {} : { authorization: `Basic ${pair}` }
  const put = async (url: string, body: Buffer, type: string): Promise<void> => {
    const answer = await fetch(url, { method: 'PUT', headers: { ...headers, 'content-type': type }, body: new Uint8Array(body) })
    if (!answer.ok) throw new Error(`PUT ${url}: ${answer.status} ${await answer.text()}`)
  }
  const blob = async (content: Buffer): Promise<Blob> => {
    const begun = await fetch(`http://${host}/v2/${name}/blobs/uploads/`, { method: 'POST', headers })
    const location = begun.headers.get('location')
    if (location === null) throw new Error(`the registry takes no blob: ${begun.status}`)
    const digest = digestOf(content)
    const url = new URL(location, `http://${host}`)
    url.searchParams.set('digest', digest)
    await put(url.href, content, 'application/octet-stream')
    return { digest, size: content.length }
  }
  const { layers, config } = imageOf(size)
  const layerBlobs = await Promise.all(layers.map(blob))
  const configBlob = await blob(config)
  const manifest = manifestOf(configBlob, layerBlobs)
  await put(`http://${host}/v2/${name}/manifests/1`, manifest, MANIFEST)
  return { image: `${host}/${name}:1`, digest: `${host}/${name}@${digestOf(manifest)}`, layers: layerBlobs.map(({ digest }) => digest) }
}

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'

export const digestOf = (content: Buffer): string => `sha256:${createHash('sha256').update(content).digest('hex')}`

/** So many layers, each with a file of so many bytes. */
interface ImageSize {
  layers?: number
  bytes?: number
}

/** The parts of an image, each of whose layers is a tar archive with a file of random bytes. */
export function imageOf({ layers = 1, bytes = 1024 }: ImageSize): { layers: Buffer[]; config: Buffer } {
  const tars = Array.from({ length: layers }, (_, n) => archive(`random-${n}`, randomBytes(bytes)))
  const config = { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: tars.map(digestOf) } }
  return { layers: tars.map((tar) => gzipSync(tar)), config: Buffer.from(JSON.stringify(config)) }
}

interface Blob {
  digest: string
  size: number
}

/** An image manifest (github.com/distribution/distribution, "Image Manifest V 2, Schema 2"). */
export function manifestOf(config: Blob, layers: readonly Blob[]): Buffer {
  const docker = 'application/vnd.docker'
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: `${docker}.container.image.v1+json`, ...config },
      layers: layers.map((layer) => ({ mediaType: `${docker}.image.rootfs.diff.tar.gzip`, ...layer })),
    }),
  )
}

/** One file as a tar archive (POSIX.1-1988, ustar). */
function archive(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512)
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`
  header.write(name, 0)
  header.write(octal(0o644, 7) + octal(0, 7) + octal(0, 7) + octal(content.length, 11) + octal(0, 11), 100)
  header.write('        0', 148)
  header.write('ustar\x0000', 257)
  header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512 + 1024)])
}
