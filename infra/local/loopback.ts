import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'

export const LOOPBACK = '127.0.0.1'

/** Something that listens on this machine. */
export interface LocalService {
  url: string
  stop: () => Promise<void>
}

export interface LoopbackOptions {
  /** A free one without it. */
  port?: number | undefined
  /** Only requests that the SDK has signed with this access key are let in: other users of the machine reach its ports too. */
  accessKey?: string | undefined
}

/** Lets a server listen on the loopback address alone. Throws if the port is taken. */
export async function listen(server: Server, { port = 0, accessKey }: LoopbackOptions): Promise<LocalService> {
  if (accessKey !== undefined) guard(server, accessKey)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, LOOPBACK, resolve)
  })
  const address = server.address() as AddressInfo
  return { url: `http://${LOOPBACK}:${address.port}`, stop: () => stop(server) }
}

/** As `listen`, with a handler of one's own. */
export const serve = (handler: RequestListener, options: LoopbackOptions): Promise<LocalService> => listen(createServer(handler), options)

function guard(server: Server, accessKey: string): void {
  const inner = server.listeners('request') as RequestListener[]
  server.removeAllListeners('request')
  server.on('request', (request: IncomingMessage, response) => {
    if (isSignedWith(request, accessKey)) inner.forEach((listener) => listener.call(server, request, response))
    else response.writeHead(403, { 'content-type': 'application/x-amz-json-1.1' }).end('{"__type":"AccessDeniedException"}')
  })
}

/** The key's name alone is looked at: it is random, and nobody else knows it. */
function isSignedWith({ headers }: IncomingMessage, accessKey: string): boolean {
  const given = /Credential=([^/,]*)\//.exec(headers.authorization ?? '')?.[1] ?? ''
  return timingSafeEqual(digest(given), digest(accessKey))
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

function stop(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()))
    server.closeAllConnections()
  })
}

/** A port that nobody listens on now. */
export async function freePort(host = LOOPBACK): Promise<number> {
  return (await probe(0, host)) ?? Promise.reject(new Error(`no free port on ${host}`))
}

/** Could one listen on this port? Throws for anything wrong with it but that it is taken. */
export const isFree = async (port: number, host = LOOPBACK): Promise<boolean> => (await probe(port, host)) !== undefined

function probe(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createTcpServer()
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)))
    server.listen({ port, host, exclusive: true }, () => {
      const { port: found } = server.address() as AddressInfo
      server.close(() => resolve(found))
    })
  })
}
