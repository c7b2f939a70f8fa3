import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'

/** A request that a driver has sent to change a service. */
export interface Update {
  /** Delivers it to the engine, as it was sent, now or again; the engine's status and words. */
  deliver: () => Promise<{ status: number; text: string }>
}

/** What becomes of an update on its way: it passes; it is held back and never answered; it passes, and its answer is lost. */
export type Fate = 'pass' | 'hold' | 'lose the answer'

/** Stands between a driver and the engine's socket, and keeps every update of a service that passes. */
export interface Witness {
  /** For the driver's option `host`. */
  host: string
  updates: Update[]
  fate: Fate
  close(): Promise<void>
}

export async function witness(engine: string): Promise<Witness> {
  const directory = await mkdtemp(join(tmpdir(), 'pman-witness-'))
  const path = join(directory, 'docker.sock')
  const self: Witness = {
    host: `unix://${path}`,
    updates: [],
    fate: 'pass',
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(directory, { recursive: true })
    },
  }

  async function serve(question: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(question)
    const forward = () =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const { method, url, headers } = question
        request({ socketPath: engine, method, path: url, headers }, resolve).on('error', reject).end(body)
      })
    if (/\/services\/[a-z0-9]+\/update\?/.test(question.url ?? '')) {
      const deliver = async () => {
        const given = await forward()
        return { status: given.statusCode ?? 0, text: (await buffer(given)).toString() }
      }
      self.updates.push({ deliver })
      if (self.fate === 'hold') return
      if (self.fate === 'lose the answer') {
        await deliver()
        question.socket.destroy()
        return
      }
    }
    const given = await forward()
    answer.writeHead(given.statusCode ?? 500, given.headers)
    given.pipe(answer)
  }

  const server = createServer((question, answer) => {
    serve(question, answer).catch(() => question.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return self
}
