import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Pem } from './exchange.ts'

const run = promisify(execFile)

/** An authority made for one test, a server's certificate for this machine, and a client's. Needs the program `openssl`. */
export async function certificates(): Promise<{ server: Pem; client: Pem }> {
  const directory = await mkdtemp(join(tmpdir(), 'certificates-'))
  const file = (name: string): string => join(directory, name)
  const openssl = (...words: string[]) => run('openssl', words, { cwd: directory })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

  async function signed(name: string, extensions: string): Promise<Pem> {
    await writeFile(file(`${name}.ext`), extensions)
    await openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', `${name}-key.pem`, '-out', `${name}.csr`)
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial', '-days', '2']
    await openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.pem`, '-extfile', `${name}.ext`)
    const [ca, cert, key] = await Promise.all(['ca.pem', `${name}.pem`, `${name}-key.pem`].map((pem) => readFile(file(pem), 'utf8')))
    return { ca: ca ?? '', cert: cert ?? '', key: key ?? '' }
  }

  try {
    await openssl('req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=test authority', '-keyout', 'ca-key.pem', '-out', 'ca.pem')
    const server = await signed('server', 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n')
    const client = await signed('client', 'extendedKeyUsage=clientAuth\n')
    return { server, client }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
