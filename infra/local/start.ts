import { valueOf } from '../../lib/config/environment.ts'
import { startStack } from './stack.ts'

/** `npm start`: serves everything on this machine until Ctrl-C. */

const PMANS_PORT = 5010

function portOf(text: string | undefined): number {
  if (text === undefined) return PMANS_PORT
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw new Error(`PORT must be a number from 1 to 65535, not ${JSON.stringify(text)}`)
  return port
}

/** Lines of the functions that a person should see at once; the others are in the log. */
function showTrouble(line: string): void {
  if (/^\{.*"level":"(warn|error)"/.test(line)) console.error(line)
}

async function main(): Promise<void> {
  const { env } = process
  // The second one has its usual effect.
  const asked = new Promise<void>((resolve) => ['SIGINT', 'SIGTERM'].forEach((signal) => process.once(signal, () => resolve())))
  const stateDir = valueOf(env, 'PMAN_STATE') ?? '.pman'
  const stack = await startStack({ stateDir, env, port: portOf(valueOf(env, 'PORT')), host: valueOf(env, 'HOST'), onLine: showTrouble })

  console.log(`pman-serverless serves ${stack.url}/api/v1/
  engine  ${stack.env.CONTAINER_ENV ?? 'as configured'}
  token   ${stack.token}
  state   ${stateDir} (log: ${stack.logFile})

Try it, and stop with Ctrl-C:
  curl -H 'Authorization: Bearer ${stack.token}' ${stack.url}/api/v1/`)

  const ended = await Promise.race([asked, stack.exited])
  await stack.stop()
  if (ended !== undefined) throw new Error([`the server has ended by itself (${ended})`, ...stack.lastLines()].join('\n  '))
}

try {
  await main()
  process.exit(0)
} catch (error) {
  console.error(`npm start: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}
