import { execFileSync } from 'node:child_process'
import * as fc from 'fast-check'
import { CALL, EXIT_CODE, LOG_HEX, wdlOf } from '../../../lib/backends/cromwell/wdl.ts'
import { shellWord } from '../../../lib/backends/cromwell/words.ts'
import { testIf } from '../../support/skip.ts'
import { WITHOUT_MINIWDL, wdlProblems } from './miniwdl.ts'

const HOSTILE = [
  '', ' ', '-n', '--', "'", '"', '\\', '\\n', '\n', 'a\n\n', '\t', '$(id)', '`id`', '${HOME}', '$HOME', '~{x}', '~{read_string("/etc/passwd")}', '>>>', '<<<', '}',
  "'; touch pwned; '", '%s%n%b', '\\0101', '\\0', '1\\0', 'é', '🦊', '\u202e', '\u0001\u001b[31m', '*?[a-z]', '!!', '#', '{"a":1}', "'\\''",
  'SCRIPT_PREAMBLE', 'a_SCRIPT_EPILOGUE', 'DOCKER_OUTPUT_DIR_LINK', 'INSTANTIATED_COMMAND', 'ENVIRONMENT_VARIABLES', 'x y'.repeat(4000),
  Array.from({ length: 127 }, (_, index) => String.fromCharCode(index + 1)).join(''),
]
const wordOf = fc.string({ unit: 'binary', maxLength: 60 }).filter((word) => !/\0|\p{Cs}/u.test(word))

/** What a shell has in its positional parameters after these lines. */
function through(shell: string, words: readonly string[]): string {
  const script = ["set -- 'env'", ...words.map(shellWord), `shift; printf '%s\\0' "$@"`].join('\n')
  return execFileSync(shell, ['-s'], { input: script, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' } }).toString()
}
const joined = (words: readonly string[]): string => words.map((word) => `${word}\0`).join('')

const runtime = { docker: 'docker.io/library/busybox:1.36', number_of_workers: '1', maxRetries: '0' }
const wdl = (argv: readonly string[], env: readonly string[] = []): string => wdlOf({ argv, env, runtime, logBytes: 100 })

describe.each(['bash', 'dash'])('words in %s', (shell) => {
  test('hostile ones arrive byte for byte', () => expect(through(shell, HOSTILE)).toBe(joined(HOSTILE)))

  test('any words do', () => {
    const property = fc.property(fc.array(wordOf, { minLength: 1, maxLength: 30 }), (words) => through(shell, words) === joined(words))
    fc.assert(property, { numRuns: 60, examples: [[HOSTILE]] })
  })
})

describe('the document', () => {
  const document = wdl(HOSTILE, HOSTILE.map((value, index) => `K${index}=${value}`))

  test('is ASCII, and no word of a caller can be taken for WDL, for shell, or for a token of Cromwell\'s', () => {
    const property = fc.property(fc.array(wordOf, { minLength: 1 }), fc.array(wordOf), (argv, values) => {
      const text = wdl(argv, values.map((value) => `K=${value}`))
      const mine = text.split('\n').filter((line) => /^\s*(?:set -- "\$@"|v=)/.test(line))
      const quoted = mine.map((line) => /^\s*(?:set -- "\$@" |v=\$\(printf '%bx' )'([^']*)'(?:\); set -- "\$@" "\$\{v%x\}")?$/.exec(line)?.[1])
      return (
        /^[\n -~]*$/.test(text) &&
        mine.length === argv.length + values.length &&
        quoted.every((word) => word !== undefined && /^(?:[A-Za-z0-9_./:=,@+-]|\\0[0-7]{3})*$/.test(word)) &&
        !/SCRIPT_|DOCKER_OUTPUT_DIR_LINK|INSTANTIATED_COMMAND|ENVIRONMENT_VARIABLES/.test(text) &&
        text.split('>>>').length === 2 &&
        !text.includes('~{')
      )
    })
    fc.assert(property, { numRuns: 300, endOnFailure: true, examples: [[HOSTILE, HOSTILE]] })
  })

  test('begins with env, whose options no word can be', () => {
    expect(wdl(['-x', 'y'])).toContain(`set -- 'env'\n        set -- "$@" '--'\n        set -- "$@" '-x'`)
    expect(wdl(['y'], ['-u=x'])).toContain(`set -- "$@" '--'`)
    expect(wdl(['y', '--'], ['A=1'])).toContain(`set -- 'env'\n        set -- "$@" 'A=1'\n        set -- "$@" 'y'`)
  })

  test('a NUL is nothing that a job can be given', () => expect(() => wdl(['a\0b'])).toThrow('NUL'))

  test('has the names that its outputs are read by', () => {
    expect(document).toContain('workflow ChRISJob {\n    call plugin_instance')
    expect([CALL, EXIT_CODE, LOG_HEX]).toEqual(['ChRISJob.plugin_instance', 'ChRISJob.exit_code', 'ChRISJob.log_hex'])
    expect(document).toContain('meta { volatile: true }')
    expect(document).toContain('tail -c 101 gw.log')
  })

  const without = WITHOUT_MINIWDL
  testIf(without === undefined, without ?? '', 'miniwdl check --strict has nothing against it, whatever the words', async () => {
    const samples = fc.sample(fc.tuple(fc.array(wordOf, { minLength: 1 }), fc.array(wordOf)), { numRuns: 40, seed: 7 })
    const documents = samples.map(([argv, values]) => wdl(argv, values.map((value) => `K=${value}`)))
    expect(await wdlProblems([document, ...documents])).toBe('')
    expect(await wdlProblems([document.replace('read_int', 'read_in')])).toContain('read_in')
  }, 60_000)
})
