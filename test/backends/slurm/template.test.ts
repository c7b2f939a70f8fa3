import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { batchScript } from '../../../lib/backends/slurm/script.ts'
import type { ScriptInput } from '../../../lib/backends/slurm/script.ts'
import { launchLine, parseTemplate, quoted } from '../../../lib/backends/slurm/template.ts'
import type { LaunchTemplate } from '../../../lib/backends/slurm/template.ts'

function template(text: string): LaunchTemplate {
  const parsed = parseTemplate(text)
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed
}

describe('a launch template', () => {
  test.each([
    ['apptainer exec docker://{image} {command}', `'apptainer' 'exec' 'docker://'"\${pman_image}" "$@"`],
    ['run --bind "{input}:/share/incoming:ro" {command}', `'run' '--bind' "\${pman_input}"':/share/incoming:ro' "$@"`],
    [`run '{image} $HOME' {command} --`, `'run' '{image} $HOME' "$@" '--'`],
    ['run --tmp $TMPDIR/x {command}', `'run' '--tmp' "\${TMPDIR-}"'/x' "$@"`],
    [`run '' "a;b" 'c|d' {command}`, `'run' '' 'a;b' 'c|d' "$@"`],
    ['\n  {command}\t', '"$@"'],
  ])('%j', (text, line) => {
    expect(launchLine(template(text))).toBe(line)
  })

  test('tells which placeholders it names', () => {
    expect([...template('srun -n {workers} {image} {image} {command}').names].sort()).toEqual(['image', 'workers'])
    expect([...template(`x '{image}' {command}`).names]).toEqual([])
  })

  test.each([
    ['apptainer exec {image}', /\{command\} must stand in it once, not 0/],
    ['{command} {command}', /not 2/],
    ['sh -c "{command}"', /^$/],
    ['sh -c "exec {command}"', /word of its own/],
    ['x{command}', /word of its own/],
    ['run {nonsense} {command}', /there is no \{nonsense\}/],
    ['run {command}; rm -rf /', /; must stand in quotes/],
    ['run {command} > /dev/null', /> must stand in quotes/],
    ['run `id` {command}', /` must stand in quotes/],
    ['run $(id) {command}', /\( must stand in quotes/],
    ['run * {command}', /\* must stand in quotes/],
    ['run "$(id)" {command}', /a \$ that begins no name/],
    ['run "`id`" {command}', /a quote is not closed/],
    [`run 'open {command}`, /a quote is not closed/],
    ['run \\ {command}', /\\ must stand in quotes/],
  ])('%j is refused', (text, problem) => {
    const parsed = parseTemplate(text)
    // A quoted {command} alone is still a word of its own.
    if (problem.source === '^$') expect(parsed).toHaveProperty('words')
    else expect(parsed).toEqual({ problem: expect.stringMatching(problem) as string })
  })
})

const PRINT = `printf '%s\\0' "$@"`
const base: ScriptInput = {
  engineName: 'job-abc',
  template: template(`env -i PATH=/usr/bin:/bin sh -c '${PRINT.replaceAll("'", '"')}' sh {image} {workdir} {input} {output} {workers} {command}`),
  prologue: '',
  values: { image: 'i', workdir: 'w', input: 'in', output: 'out', workers: '1' },
  storebase: undefined,
  argv: [],
  env: [],
  workers: 1,
  comment: undefined,
}
const run = (input: Partial<ScriptInput>, env: Record<string, string> = {}): string[] => {
  const script = batchScript({ ...base, ...input })
  const output = execFileSync('sh', ['-s'], { input: script, env: { PATH: '/usr/bin:/bin', ...env } }).toString('utf8')
  return output.split('\0').slice(0, -1)
}

describe('the script of a job', () => {
  /** Any text but NUL, with what a shell looks out for far more often than by chance. */
  const nasty = fc.oneof(
    fc.string({ unit: fc.constantFrom(...Array.from(`'"\\$\`(){}[]*?!#~;&|<> \n\r\t=-%@`), '$(id)', '${HOME}', "'\\''", '\u0001', '\u0081', '\u202e', '🦊', 'EOF') }),
    fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '').replace(/\p{Cs}/gu, '')),
  )

  test('every word and value reaches the program byte for byte', () => {
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 6 }), nasty, nasty, (words, image, input) => {
        const argv = ['program', ...words]
        const values = { ...base.values, image, input }
        expect(run({ argv, values })).toEqual([image, 'w', input, 'out', '1', ...argv])
      }),
      { numRuns: 150 },
    )
  })

  test('so does every value of the environment, by env', () => {
    fc.assert(
      fc.property(fc.array(nasty, { minLength: 1, maxLength: 4 }), (values) => {
        const env = values.map((value, index) => `V${index}=${value}`)
        const script = `printf '%s\\0' ${values.map((_, index) => `"$V${index}"`).join(' ')}`
        expect(run({ template: template('{command}'), argv: ['sh', '-c', script], env })).toEqual(values)
      }),
      { numRuns: 100 },
    )
  })

  test('a program with a = in its name is no variable, and a variable with a - in front no option', () => {
    const argv = ['sh', '-c', 'printf "%s\\0" "$0" "$X"', 'a=b']
    expect(run({ template: template('{command}'), argv, env: ['X=1', '-i=2'] })).toEqual(['a=b', '1'])
    expect(batchScript({ ...base, argv: ['a=b'], env: ['X=1'] })).toContain(`'X=1' 'sh' '-c' 'exec "$@"' 'sh' 'a=b'`)
  })

  test('a word of 100 KB', () => {
    const long = "x'y".repeat(34_000)
    expect(run({ argv: ['p', long] }).at(-1)).toBe(long)
  })

  test('variables of the template are the node\'s, whatever is in them', () => {
    const words = template(`env -i PATH=/usr/bin:/bin sh -c '${PRINT.replaceAll("'", '"')}' sh --tmp=$PLACE {command}`)
    expect(run({ template: words, argv: ['p'] }, { PLACE: '$(id) "x"' })).toEqual(['--tmp=$(id) "x"', 'p'])
    expect(run({ template: words, argv: ['p'] })).toEqual(['--tmp=', 'p'])
  })

  test('the prologue is the site\'s shell', () => {
    const words = template(`sh -c '${PRINT.replaceAll("'", '"')}' sh $FROM_PROLOGUE {command}`)
    expect(run({ template: words, prologue: 'export FROM_PROLOGUE=yes', argv: ['p'] })).toEqual(['yes', 'p'])
  })

  test('several workers are srun\'s tasks, unless the template starts them', () => {
    expect(batchScript({ ...base, template: template('{command}'), argv: ['p'], workers: 3 })).toContain('exec srun --ntasks=3 --kill-on-bad-exit=0 sh -c')
    expect(batchScript({ ...base, template: template('srun -n {workers} {command}'), argv: ['p'], workers: 3 })).not.toContain('--ntasks')
  })

  test('what is quoted has no end but its own', () => {
    expect(quoted(`a'b`)).toBe(`'a'\\''b'`)
  })
})
