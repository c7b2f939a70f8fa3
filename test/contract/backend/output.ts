import { describeIf, testIf } from '../../support/skip.ts'
import { call } from './bench.ts'
import type { Part } from './suite.ts'

/** Words that a shell, a template or a careless join would change. */
const WORDS = [
  'plain',
  '',
  ' ',
  'two words',
  `it's "quoted" \`and\` \\escaped\\`,
  '$(echo no) ${HOME} $HOME $$ %s %n',
  'a\nb\n\nc\n',
  '\ttab\r',
  '*?[a-z]{x,y}~!#;&|<>()',
  '-n',
  '--',
  '~{no} ~{write_lines(x)} {{no}} <%= no %>',
  'žluťoučký 🦊 \u202e ﷽',
  'a=b',
  '@file',
  '\u0001\u001b[31m',
] as const
const LONG = 'x y'.repeat(34_000)

export const keepsItsOutput: Part = (bench, { supports }) => {
  const logs = async (ref: string, tailLines = 1_000_000, maxBytes = 1 << 20) => {
    const { bytes, truncated } = await bench.backend.logs(ref, { tailLines, maxBytes }, call())
    return { text: Buffer.from(bytes).toString('latin1'), truncated }
  }

  test.each([
    ['words of every kind', WORDS],
    ['an empty word first and last', ['', 'x', '']],
    ['a word of 100 KB', [LONG, 'after']],
  ])('argv reaches the job byte for byte: %s', async (_name, args) => {
    const trial = await bench.trial(`for word; do printf '%s\\0' "$word"; done >/share/outgoing/words`, { args })
    expect((await bench.run(trial)).end.exitCode).toBe(0)
    expect((await trial.output('words')).toString()).toBe(args.map((word) => `${word}\0`).join(''))
  })

  describeIf(supports.env, 'the engine has no environment', 'the environment', () => {
    test('values reach the job byte for byte', async () => {
      const values = [...WORDS, LONG]
      const env = values.map((value, index) => `CONTRACT_${index}=${value}`)
      const script = values.map((_, index) => `printf '%s\\0' "$CONTRACT_${index}"`).join('\n')
      const trial = await bench.trial(`{ ${script}\n} >/share/outgoing/values`, { env })
      expect((await bench.run(trial)).end.exitCode).toBe(0)
      expect((await trial.output('values')).toString()).toBe(values.map((value) => `${value}\0`).join(''))
    })

    test('nothing of the gateway reaches it', async () => {
      process.env.CONTRACT_SECRET = 'of the gateway'
      const trial = await bench.trial('env >/share/outgoing/env')
      await bench.run(trial)
      delete process.env.CONTRACT_SECRET
      const env = (await trial.output('env')).toString()
      expect(env).toContain('PATH=')
      expect(env).not.toMatch(/CONTRACT_SECRET|AWS_|NODE_OPTIONS|npm_/)
    })
  })

  test('the log holds the output in its order, on both streams', async () => {
    const count = 'i=0; while [ $i -lt 300 ]; do echo "line $i"; i=$((i+1)); done'
    const { ref } = await bench.run(await bench.trial(`${count}; sleep 0.2; echo problem >&2`))
    const lines = Array.from({ length: 300 }, (_, index) => `line ${index}\n`).join('')
    expect(await logs(ref)).toEqual({ text: `${lines}problem\n`, truncated: false })
  })

  test('the log is bytes', async () => {
    const { ref } = await bench.run(await bench.trial(`printf 'a\\377\\303\\050b'`))
    expect(await logs(ref)).toEqual({ text: 'a\xff\xc3(b', truncated: false })
  })

  test('of the log, the last lines, and of these the last bytes', async () => {
    const { ref } = await bench.run(await bench.trial('for i in 1 2 3 4 5 6 7 8 9; do echo "row $i"; done'))
    expect(await logs(ref, 3)).toEqual({ text: 'row 7\nrow 8\nrow 9\n', truncated: true })
    expect(await logs(ref, 9)).toMatchObject({ truncated: false })
    expect(await logs(ref, 3, 8)).toEqual({ text: '8\nrow 9\n', truncated: true })
    expect(await logs(ref, 1, 100)).toEqual({ text: 'row 9\n', truncated: true })
  })

  test('of a line without an end, the last bytes', async () => {
    const { ref } = await bench.run(await bench.trial('i=0; while [ $i -lt 2000 ]; do printf 0123456789; i=$((i+1)); done; printf end'))
    expect(await logs(ref, 10, 13)).toEqual({ text: '0123456789end', truncated: true })
  })

  test('a job without output has an empty log', async () => {
    const { ref } = await bench.run(await bench.trial('exit 0'))
    expect(await logs(ref)).toEqual({ text: '', truncated: false })
  })

  testIf(supports.logsWhileRunning, 'the engine shows no log before the end', 'the log of a job that runs', async () => {
    const ref = await bench.start(await bench.trial('echo first; sleep 600'))
    await bench.until(() => logs(ref), ({ text }) => text === 'first\n')
    // A cluster's manager hears of a start after the job's first words.
    await bench.until(() => bench.look(ref), (seen) => seen.kind === 'state' && seen.phase === 'running')
  })
}
