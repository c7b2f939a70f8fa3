import { cromwellApi, type CromwellApi } from '../../engines/cromwell-api.ts'
import { EngineAnswer, transport, type Transport } from '../../engines/transport.ts'
import type { Backend, BackendContext, BackendModule, Supports } from '../contract.ts'
import { cromwellDriver } from './driver.ts'
import { parseCredentials, parseOptions, problems } from './options.ts'

const supports: Supports = {
  image: true,
  memoryLimit: true,
  cpuLimit: true,
  gpuLimit: true,
  env: true,
  workers: false,
  user: true,
  timeLimit: false,
  logsWhileRunning: false,
  observesMany: true,
  stopForgets: true,
  labels: true,
}

/**
 * Jobs as workflows of a Cromwell server, which hands them to SLURM, to Docker, or to whatever its site has configured. A workflow on hold is
 * the inert job; its ref is `<engine name>.<workflow id>`. Cromwell shows a workflow some seconds after it has taken it, and never
 * deletes one: what is removed has a label that says so.
 */
export const cromwell: BackendModule = { supports, problems, open }

function open(context: BackendContext): Backend {
  const options = parseOptions(context)
  const seen = options.executions !== undefined
  return cromwellDriver({
    deployment: context.deployment,
    options,
    supports: { ...supports, logsWhileRunning: seen, stopForgets: !seen },
    api: connector(options.url, context.credentials),
  })
}

/** A client with the credentials of the moment; after a 401 with new ones. */
function connector(baseUrl: string, credentials: BackendContext['credentials']): () => Promise<CromwellApi> {
  let client: { text: string | undefined; transport: Transport; api: CromwellApi } | undefined
  let refused = false
  return async () => {
    const text = await credentials(refused ? { fresh: true } : undefined)
    refused = false
    if (client !== undefined && client.text === text) return client.api
    client?.transport.close()
    const { authorization, ca } = parseCredentials(text)
    const wire = transport({ baseUrl, tls: ca === undefined ? undefined : { ca }, headers: authorization === undefined ? {} : { authorization } })
    const watched: Transport = {
      ...wire,
      ask: async (question) => {
        const answer = await wire.ask(question)
        if (answer.status !== 401) return answer
        refused = true
        throw new EngineAnswer(`${question.method} ${question.path}: 401, the credentials are not accepted`, 401)
      },
    }
    client = { text, transport: wire, api: cromwellApi(watched) }
    return client.api
  }
}
