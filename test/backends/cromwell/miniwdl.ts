import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MINIWDL } from './stand-in.ts'

/** Why no WDL can be checked; undefined: it can. */
export const WITHOUT_MINIWDL = existsSync(MINIWDL) ? undefined : 'miniwdl is not there: npm run test:engines -- cromwell'

/** What `miniwdl check --strict` says of these documents; empty: nothing. */
export async function wdlProblems(documents: readonly string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pman-wdl-'))
  try {
    const files = await Promise.all(
      documents.map(async (text, index) => {
        const file = join(directory, `${index}.wdl`)
        await writeFile(file, text)
        return file
      }),
    )
    await promisify(execFile)(MINIWDL, ['check', '--strict', ...files], { maxBuffer: 64 << 20 })
    return ''
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string }
    return `${message}\n${stdout}${stderr}`
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
