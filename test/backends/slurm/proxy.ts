import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Stands between a driver and slurmrestd, counts, and cuts. */
export interface Proxy {
  url: string
  /** `GET /slurm/…` of everything that was asked. */
  asked: string[]
  /** The next question that matches is answered by nobody: `before`: slurmrestd never hears of it; `after`: it has acted. */
  cut(matching: RegExp, when: 'before' | 'after'): void
  close(): Promise<void>
}

export async function proxyTo(target: string): Promise<Proxy> {
  const asked: string[] = []
  const cuts: { matching: RegExp; when: 'before' | 'after' }[] = []
  const server = createServer((incoming, outgoing) => {
    const line = `${incoming.method ?? ''} ${incoming.url ?? ''}`
    asked.push(line)
    const at = cuts.findIndex(({ matching }) => matching.test(line))
    const cut = at < 0 ? undefined : cuts.splice(at, 1)[0]?.when
    if (cut === 'before') return void incoming.socket.destroy()
    const { method, headers } = incoming
    const asIs = { method, headers: { ...headers, host: new URL(target).host } }
    const onward = request(new URL(incoming.url ?? '/', target), asIs, (answer) => {
      if (cut === 'after') {
        answer.resume().on('end', () => incoming.socket.destroy())
        return
      }
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => incoming.socket.destroy())
    incoming.pipe(onward)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    cut: (matching, when) => void cuts.push({ matching, when }),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(() => resolve(undefined)))
    },
  }
}
