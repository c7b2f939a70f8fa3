import { request } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { serve, type LocalService, type LoopbackOptions } from './loopback.ts'

/**
 * A front for serverless-offline's Lambda API, which listens on a socket and asks for no signature: the SDK reaches it by a
 * loopback address, and only with this start's access key.
 */
export function startLambdaFront(socket: string, options: LoopbackOptions): Promise<LocalService> {
  return serve((incoming, outgoing) => {
    const { method, url: path, headers } = incoming
    const onward = request({ socketPath: socket, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      void pipeline(answer, outgoing).catch(() => outgoing.destroy())
    })
    onward.on('error', () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(503).end()))
    void pipeline(incoming, onward).catch(() => onward.destroy())
  }, options)
}
