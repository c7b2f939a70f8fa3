import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { engineMatrix, withMatrix } from './engine-matrix.ts'

/** `npm run matrix`: writes what each engine can do into the README. */

const README = join(import.meta.dirname, '..', '..', 'README.md')

const before = await readFile(README, 'utf8')
const after = withMatrix(before, await engineMatrix())
if (after !== before) await writeFile(README, after)
console.log(after === before ? 'README.md has the matrix already' : 'README.md has a new matrix')
