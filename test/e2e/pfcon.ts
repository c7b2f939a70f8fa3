import { request, type IncomingHttpHeaders } from 'node:http'
import { gunzipSync } from 'node:zlib'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The body as JSON; throws if it is none. */
  json(): unknown
}

export interface Sent {
  method: string
  path: string
  body?: string | Buffer | undefined
  headers?: Record<string, string>
}

/** pfcon waits for 100 s and asks once. */
const PATIENCE = 100_000

/** One request as it stands, byte for byte; nothing is followed or repeated. */
export function send(base: string, { method, path, body, headers = {} }: Sent): Promise<Answer> {
  const { hostname, port } = new URL(base)
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path, headers: { ...headers, ...length }, timeout: PATIENCE }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const body = Buffer.concat(chunks)
        const text = (incoming.headers['content-encoding'] === 'gzip' && body.length > 0 ? gunzipSync(body) : body).toString()
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, json: () => JSON.parse(text) as unknown })
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${PATIENCE} ms`)))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** JSON as Python's `json.dumps` writes it, which is what pfcon sends: ASCII alone, blanks after commas and colons. */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined)
    return `{${entries.map(([key, item]) => `${pythonJson(key)}: ${pythonJson(item)}`).join(', ')}}`
  }
  const text = JSON.stringify(value)
  return text.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * pfcon's client of this API (v4.0.2 to v5.2.3 have the same but for the fields that they send): one URL with the token as
 * password, `json=` bodies, the jid put behind the URL, no session, no retries.
 */
export function pfcon(base: string, token: string) {
  const headers = {
    'User-Agent': 'python-requests/2.32.3',
    'Accept-Encoding': 'gzip, deflate',
    Accept: '*/*',
    Connection: 'keep-alive',
    Authorization: `Basic ${Buffer.from(`pfcon:${token}`).toString('base64')}`,
  }
  /** As Python's requests quotes a path. */
  const quoted = (jid: string): string => encodeURI(jid).replaceAll('[', '%5B').replaceAll(']', '%5D')
  return {
    run: (fields: Record<string, unknown>, path = '/api/v1/') =>
      send(base, { method: 'POST', path, body: pythonJson(fields), headers: { ...headers, 'Content-Type': 'application/json' } }),
    status: (jid: string, prefix = '/api/v1/') => send(base, { method: 'GET', path: `${prefix}${quoted(jid)}/`, headers }),
    delete: (jid: string, prefix = '/api/v1/') => send(base, { method: 'DELETE', path: `${prefix}${quoted(jid)}/`, headers: { ...headers, 'Content-Length': '0' } }),
    send: (sent: Sent) => send(base, { ...sent, headers: { ...headers, ...sent.headers } }),
    raw: (sent: Sent) => send(base, sent),
  }
}
export type Pfcon = ReturnType<typeof pfcon>
