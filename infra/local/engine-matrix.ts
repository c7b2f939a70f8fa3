import type { BackendModule, Supports } from '../../lib/backends/contract.ts'
import { BACKENDS } from '../../lib/backends/index.ts'
import { engineVariables } from '../../lib/config/environment.ts'

/** What each word of a driver's manifest means to a person: the rows of the matrix. */
const ROWS: Readonly<Record<keyof Supports, string>> = {
  image: 'runs the image (otherwise the command runs as it stands)',
  memoryLimit: 'enforces `memory_limit`',
  cpuLimit: 'enforces `cpu_limit`',
  gpuLimit: 'enforces `gpu_limit`',
  env: 'gives the job its `env`',
  workers: 'runs `number_of_workers` copies',
  user: 'runs the job as the compute’s user',
  timeLimit: 'ends a job at its time limit by itself (otherwise cleanup does)',
  logsWhileRunning: 'shows the log of a running job',
  observesMany: 'answers for many jobs in one call',
  stopForgets: 'loses the log when a job is stopped (it is read before)',
  labels: 'carries the owner’s labels on its objects',
}

type Drivers = Readonly<Record<string, () => Promise<Pick<BackendModule, 'supports'>>>>

/** What every engine can do, as a table in Markdown: a row for each word of `supports`, a column for each driver. */
export async function engineMatrix(drivers: Drivers = BACKENDS): Promise<string> {
  const engines: { name: string; supports: Supports }[] = []
  for (const [name, load] of Object.entries(drivers)) engines.push({ name, supports: (await load()).supports })
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rows = (Object.keys(ROWS) as (keyof Supports)[]).map((key) =>
    line([ROWS[key], ...engines.map(({ supports }) => (supports[key] ? 'yes' : 'no'))]),
  )
  return [line(['the engine…', ...engines.map(({ name }) => `\`${name}\``)]), line(['---', ...engines.map(() => ':-:')]), ...rows].join('\n')
}

/** What one engine can do and cannot, as two lists in Markdown. */
export function engineList(supports: Supports): string {
  const keys = Object.keys(ROWS) as (keyof Supports)[]
  const list = (title: string, wanted: boolean): string[] => {
    const found = keys.filter((key) => supports[key] === wanted)
    return found.length === 0 ? [] : [title, ...found.map((key) => `- ${ROWS[key]}`)]
  }
  return [...list('Yes:\n', true), ...list('\nNo:\n', false)].join('\n')
}

/** Which engines read each variable that is not for all of them, as a table in Markdown. */
export function settingsTable(engines: readonly string[] = Object.keys(BACKENDS)): string {
  const some = engineVariables().filter(({ only }) => only !== undefined)
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rows = some.map(({ name, only = [] }) => line([`\`${name}\``, ...engines.map((engine) => (only.includes(engine) ? 'yes' : ''))]))
  return [line(['only for', ...engines.map((engine) => `\`${engine}\``)]), line(['---', ...engines.map(() => ':-:')]), ...rows].join('\n')
}

const BEGIN = '<!-- npm run matrix writes these lines -->'
const END = '<!-- to here -->'

/** The text with this matrix between its two markers. Throws if they are not there. */
export function withMatrix(text: string, matrix: string): string {
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END, begin)
  if (begin < 0 || end < 0) throw new Error(`the markers are missing: ${BEGIN} and ${END}`)
  return `${text.slice(0, begin)}${BEGIN}\n${matrix}\n${text.slice(end)}`
}
