import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BACKEND_TYPES, BACKENDS } from '../../lib/backends/index.ts'
import { engineList, engineMatrix, settingsTable, withMatrix } from './engine-matrix.ts'

/** `npm run matrix`: writes what each engine can do into the README and the engine's own page, and what it reads into docs/settings.md. */

const ROOT = join(import.meta.dirname, '..', '..')

async function rewrite(page: string, text: string): Promise<void> {
  const path = join(ROOT, page)
  const before = await readFile(path, 'utf8')
  const after = withMatrix(before, text)
  if (after !== before) await writeFile(path, after)
  console.log(`${page} ${after === before ? 'has it already' : 'is new'}`)
}

await rewrite('README.md', await engineMatrix())
await rewrite('docs/settings.md', settingsTable())
for (const type of BACKEND_TYPES) await rewrite(`docs/engines/${type}.md`, engineList((await BACKENDS[type]()).supports))
