import fc from 'fast-check'
import { pman } from '../../../lib/dialects/pman/index.ts'
import type { JobSpec } from '../../../lib/jobs/types.ts'
import { jobSpecSchema } from '../../../lib/jobs/types.ts'
import { type Body, refusedFields, request, REQUESTS, type ShapeName } from './requests.ts'

const SHAPE_NAMES = Object.keys(REQUESTS) as ShapeName[]
const KIB = 1024

const EXPECTED: Record<ShapeName, { jid: string; spec: JobSpec }> = {
  v3: {
    jid: 'chris-jid-1',
    spec: {
      image: 'fnndsc/pl-dircopy',
      entrypoint: ['/usr/local/bin/python', '/usr/local/bin/dircopy'],
      args: ['--saveinputmeta', '--saveoutputmeta', '--dir', '/share/incoming', '/share/outgoing'],
      env: [],
      mounts: [{ field: 'jid', source: 'key-chris-jid-1', target: '/share', readOnly: false }],
      workers: 1,
      cpuLimit: 1000,
      memoryLimit: 200,
      gpuLimit: 0,
      timeLimit: 0,
      auid: 'cube',
    },
  },
  v4: {
    jid: 'chris-jid-2',
    spec: {
      image: 'fnndsc/pl-simpledsapp:2.1.0',
      entrypoint: ['python3', '/usr/local/bin/simpledsapp'],
      args: ['--saveinputmeta', '--saveoutputmeta', '--prefix', 'le', '/share/incoming', '/share/outgoing'],
      env: ['GREETING=hello world'],
      mounts: [{ field: 'jid', source: 'key-chris-jid-2', target: '/share', readOnly: false }],
      workers: 1,
      cpuLimit: 1000,
      memoryLimit: 200,
      gpuLimit: 0,
      timeLimit: 0,
      auid: 'cube',
    },
  },
  v6: {
    jid: 'chris-jid-3',
    spec: {
      image: 'docker.io/fnndsc/pl-dircopy:2.1.2',
      entrypoint: ['dircopy'],
      args: ['--saveinputmeta', '--dir', '/share/incoming', '/share/incoming', '/share/outgoing'],
      env: [],
      mounts: [
        { field: 'input_dir', source: 'key-chris-jid-3/incoming', target: '/share/incoming', readOnly: true },
        { field: 'output_dir', source: 'key-chris-jid-3/outgoing', target: '/share/outgoing', readOnly: false },
      ],
      workers: 1,
      cpuLimit: 1000,
      memoryLimit: 200,
      gpuLimit: 0,
      timeLimit: 0,
      auid: 'cube',
    },
  },
}

test.each(SHAPE_NAMES)('the example request of shape %s is read whole', (shape) => {
  expect(pman.parse(request(shape))).toEqual(EXPECTED[shape])
})

/** What is different in the job from that of the shape's example. */
type Change = Partial<JobSpec> & { jid?: string }
/** The row of the contract, the case, the shape, the fields that are different, what becomes of them. */
type Taken = [row: string, matter: string, shape: ShapeName, changes: Body, change: Change]
type Refused = [row: string, matter: string, shape: ShapeName, changes: Body, fields: string[]]

const REQUIRED_EVERYWHERE = ['jid', 'auid', 'number_of_workers', 'cpu_limit', 'memory_limit', 'gpu_limit', 'image', 'type']
const REQUIRED: Record<ShapeName, string[]> = {
  v3: [...REQUIRED_EVERYWHERE, 'execshell', 'selfpath', 'selfexec', 'cmd_args'],
  v4: [...REQUIRED_EVERYWHERE, 'args', 'entrypoint'],
  v6: [...REQUIRED_EVERYWHERE, 'args', 'entrypoint', 'input_dir', 'output_dir'],
}

const INTEGERS = ['number_of_workers', 'cpu_limit', 'memory_limit', 'gpu_limit']
const LISTS = ['args', 'args_path_flags', 'entrypoint', 'env']

const TAKEN: Taken[] = [
  ['shape', 'v6 fields win over v3 fields', 'v6', { selfexec: 'x', selfpath: 'y', execshell: 'z' }, {}],
  ['shape', 'v4 fields win over v3 fields other than cmd_args', 'v4', { selfexec: 'x', selfpath: 'y' }, {}],
  ['integers', 'a number', 'v6', { cpu_limit: 1000 }, { cpuLimit: 1000 }],
  ['integers', 'its digits', 'v6', { cpu_limit: '1000' }, { cpuLimit: 1000 }],
  ['integers', 'a whole float', 'v6', JSON.parse('{"cpu_limit": 1000.0}') as Body, { cpuLimit: 1000 }],
  [
    'integers',
    '0: no limit asked for',
    'v6',
    { cpu_limit: 0, memory_limit: '0', gpu_limit: 0 },
    { cpuLimit: 0, memoryLimit: 0, gpuLimit: 0 },
  ],
  ['integers', '-0 is 0', 'v6', JSON.parse('{"gpu_limit": -0}') as Body, { gpuLimit: 0 }],
  ['integers', 'the largest', 'v6', { memory_limit: 2 ** 31 - 1 }, { memoryLimit: 2 ** 31 - 1 }],
  ['integers', 'several workers', 'v3', { number_of_workers: '3' }, { workers: 3 }],
  ['strings', 'an integer as jid', 'v6', { jid: 12345 }, { jid: '12345' }],
  ['strings', 'an integer as auid', 'v6', { auid: -7 }, { auid: '-7' }],
  ['strings', 'the largest integer', 'v6', { jid: Number.MAX_SAFE_INTEGER }, { jid: '9007199254740991' }],
  ['strings', 'an empty auid', 'v6', { auid: '' }, { auid: '' }],
  ['strings', 'a leading / in jid', 'v6', { jid: '/j' }, { jid: 'j' }],
  ['lists', 'args_path_flags null', 'v6', { args_path_flags: null, args: [] }, { args: ['/share/incoming', '/share/outgoing'] }],
  ['lists', 'args_path_flags absent', 'v6', { args_path_flags: undefined, args: [] }, { args: ['/share/incoming', '/share/outgoing'] }],
  ['lists', 'env null', 'v4', { env: null }, { env: [] }],
  ['lists', 'env absent', 'v4', { env: undefined }, { env: [] }],
  ['lists', 'no args', 'v4', { args: [] }, { args: ['/share/incoming', '/share/outgoing'] }],
  ['lists', 'an empty argument', 'v4', { args: ['', 'a'] }, { args: ['', 'a', '/share/incoming', '/share/outgoing'] }],
  ['env', 'KEY=value', 'v6', { env: ['A=b', 'C=', 'D==', 'E=a b\n'] }, { env: ['A=b', 'C=', 'D==', 'E=a b\n'] }],
  ['env', 'not read in v3', 'v3', { env: 5 }, { env: [] }],
  [
    'v3 cmd_args',
    'split as shlex does, quoting kept with path flags',
    'v3',
    { cmd_args: `--a 'b c' --dir 'x y' "d\\"e" ''`, type: 'ds' },
    { args: ['--a', 'b c', '--dir', '/share/incoming', 'd"e', '', '/share/incoming', '/share/outgoing'] },
  ],
  ['v3 cmd_args', 'and without', 'v3', { cmd_args: "'b c'", cmd_path_flags: undefined }, { args: ['b c', '/share/outgoing'] }],
  ['v3 cmd_args', 'null path flags', 'v3', { cmd_args: '', cmd_path_flags: null }, { args: ['/share/outgoing'] }],
  ['v3 cmd_args', 'empty execshell and selfpath', 'v3', { execshell: '', selfpath: '', selfexec: 'ls' }, { entrypoint: ['ls'] }],
  [
    'v3 cmd_args',
    'an execshell of several words',
    'v3',
    { execshell: '/usr/bin/env python' },
    { entrypoint: ['/usr/bin/env', 'python', '/usr/local/bin/dircopy'] },
  ],
  ['v3 cmd_args', 'an absolute selfexec', 'v3', { execshell: '', selfexec: '/bin/ls' }, { entrypoint: ['/bin/ls'] }],
  ['v3 cmd_args', 'a selfpath that ends in /', 'v3', { execshell: '', selfpath: '/bin/', selfexec: 'ls' }, { entrypoint: ['/bin/ls'] }],
  [
    'v3 cmd_args',
    'the program is its first word',
    'v3',
    { execshell: '', selfpath: '', selfexec: '', cmd_args: 'ls -l' },
    { entrypoint: [], args: ['ls', '-l', '/share/outgoing'] },
  ],
  ['bodies', 'unknown fields', 'v6', { constructor: 1, extra: { deep: [] }, cmd_path_flags: 5 }, {}],
  ['input_dir, output_dir', 'one leading / dropped', 'v6', { input_dir: '/a/b', output_dir: 'c/' }, { mounts: mounts('a/b', 'c') }],
  ['input_dir, output_dir', 'equal ones', 'v6', { input_dir: 'a', output_dir: 'a' }, { mounts: mounts('a', 'a') }],
  ['input_dir, output_dir', 'a colon', 'v6', { input_dir: 'a:b', output_dir: 'c' }, { mounts: mounts('a:b', 'c') }],
]

function mounts(input: string, output: string): JobSpec['mounts'] {
  return [
    { field: 'input_dir', source: input, target: '/share/incoming', readOnly: true },
    { field: 'output_dir', source: output, target: '/share/outgoing', readOnly: false },
  ]
}

describe('what is taken', () => {
  test.each(TAKEN)('%s: %s (%s)', (_row, _matter, shape, changes, { jid, ...change }) => {
    const expected = EXPECTED[shape]
    expect(pman.parse(request(shape, changes))).toEqual({ jid: jid ?? expected.jid, spec: { ...expected.spec, ...change } })
  })

  test('a job of an older shape finds its data by its own jid', () => {
    expect(pman.parse(request('v4', { jid: '/é' })).spec.mounts).toEqual([
      { field: 'jid', source: 'key-é', target: '/share', readOnly: false },
    ])
  })
})

const REFUSED: Refused[] = [
  ['shape', 'only input_dir', 'v6', { output_dir: undefined }, ['output_dir']],
  ['shape', 'only output_dir', 'v6', { input_dir: undefined }, ['input_dir']],
  ['shape', 'input_dir makes it v6', 'v4', { input_dir: 'a' }, ['output_dir']],
  ['shape', 'input_dir makes it v6, null too', 'v4', { input_dir: null }, ['input_dir', 'output_dir']],
  ['shape', 'only args', 'v4', { entrypoint: undefined }, ['entrypoint']],
  ['shape', 'only entrypoint', 'v4', { args: undefined }, ['args']],
  ['shape', 'none of them', 'v4', { args: undefined, entrypoint: undefined }, ['args', 'entrypoint', 'input_dir', 'output_dir']],
  ['shape', 'cmd_args together with args', 'v4', { cmd_args: '' }, ['cmd_args']],
  ['shape', 'cmd_args together with args in v6', 'v6', { cmd_args: 'a' }, ['cmd_args']],
  ['integers', 'no worker', 'v6', { number_of_workers: 0 }, ['number_of_workers']],
  [
    'integers',
    'beyond 2^31 - 1',
    'v6',
    { memory_limit: 2 ** 31, cpu_limit: '2147483648', gpu_limit: 1e300 },
    ['cpu_limit', 'memory_limit', 'gpu_limit'],
  ],
  ['strings', 'a fraction', 'v6', { jid: 1.5, auid: 0.1 }, ['jid', 'auid']],
  ['strings', 'an integer beyond 2^53 - 1', 'v6', { jid: 2 ** 53, auid: -(2 ** 53) }, ['jid', 'auid']],
  [
    'strings',
    'an integer where a name is asked for',
    'v6',
    { image: 5, type: 1, input_dir: 5, output_dir: 6 },
    ['image', 'type', 'input_dir', 'output_dir'],
  ],
  [
    'strings',
    'an integer in v3',
    'v3',
    { cmd_args: 5, selfexec: 5, selfpath: 5, execshell: 5 },
    ['cmd_args', 'selfexec', 'selfpath', 'execshell'],
  ],
  [
    'strings',
    'empty',
    'v6',
    { jid: '', image: '', input_dir: '', output_dir: '', type: '' },
    ['jid', 'image', 'input_dir', 'output_dir', 'type'],
  ],
  ['strings', 'a jid that is nothing but a /', 'v6', { jid: '/' }, ['jid']],
  ['strings', 'a jid with a / inside', 'v6', { jid: '//a' }, ['jid']],
  ['strings', 'NUL in auid', 'v6', { auid: 'a\0' }, ['auid']],
  ['strings', 'half a surrogate pair in auid', 'v6', { auid: '\ud800' }, ['auid']],
  ['strings', 'an auid of more than 1 KiB', 'v6', { auid: 'a'.repeat(1025) }, ['auid']],
  ['strings', 'another type', 'v6', { type: 'xx' }, ['type']],
  ['strings', 'a type in upper case', 'v6', { type: 'DS' }, ['type']],
  ['lists', 'an empty entrypoint', 'v6', { entrypoint: [] }, ['entrypoint']],
  ['lists', 'an entrypoint without a program', 'v6', { entrypoint: [''] }, ['entrypoint']],
  ['lists', 'NUL in a word', 'v6', { args: ['a\0'], entrypoint: ['\0'], args_path_flags: ['\0'], env: ['A=\0'] }, LISTS],
  [
    'lists',
    'half a surrogate pair in a word',
    'v6',
    { args: ['\udc00'], entrypoint: ['\ud800'], args_path_flags: ['\ud800x'], env: ['A=\ud800'] },
    LISTS,
  ],
  ['env', 'no =', 'v6', { env: ['A=b', 'KEY'] }, ['env']],
  ['env', 'an empty key', 'v6', { env: ['=value'] }, ['env']],
  ['env', 'empty', 'v6', { env: [''] }, ['env']],
  ['v3 cmd_args', 'an unbalanced quote', 'v3', { cmd_args: "--a 'b" }, ['cmd_args']],
  ['v3 cmd_args', 'a trailing backslash', 'v3', { cmd_args: 'a\\' }, ['cmd_args']],
  [
    'v3 cmd_args',
    'an unbalanced quote in the program',
    'v3',
    { execshell: "'", selfpath: '"', selfexec: '\\' },
    ['execshell', 'selfpath', 'selfexec'],
  ],
  ['v3 cmd_args', 'no program', 'v3', { execshell: '', selfpath: '', selfexec: '', cmd_args: '' }, ['selfexec']],
  ['v3 cmd_args', 'an empty program', 'v3', { execshell: "''" }, ['selfexec']],
  [
    'v3 cmd_args',
    'NUL',
    'v3',
    { cmd_args: 'a\0', cmd_path_flags: '\0', execshell: '\0', selfexec: '\0' },
    ['cmd_args', 'cmd_path_flags', 'execshell', 'selfexec'],
  ],
  ['sizes', 'one argument of 128 KiB', 'v6', { args: ['x'.repeat(128 * KIB)] }, ['args']],
  ['sizes', 'one entry of env of 128 KiB', 'v6', { env: [`A=${'x'.repeat(128 * KIB - 2)}`] }, ['env']],
  ['sizes', 'bytes, not characters', 'v6', { args: ['é'.repeat(64 * KIB)] }, ['args']],
  ['sizes', 'args beyond 128 KiB', 'v6', { args: ['x'.repeat(64 * KIB), 'x'.repeat(64 * KIB), 'x'] }, ['args']],
  ['sizes', 'args and env beyond 128 KiB', 'v6', { args: ['x'.repeat(64 * KIB)], env: [`A=${'x'.repeat(64 * KIB - 1)}`] }, ['args']],
  ['sizes', 'empty arguments without end', 'v6', { args: Array(128 * KIB + 1).fill('') }, ['args']],
  ['sizes', 'an entrypoint beyond 128 KiB', 'v6', { entrypoint: Array(129).fill('x'.repeat(KIB)) }, ['entrypoint']],
  ['sizes', 'cmd_args beyond 128 KiB', 'v3', { cmd_args: `${'x'.repeat(127 * KIB)} ${'y'.repeat(2 * KIB)}` }, ['cmd_args']],
  ['sizes', 'a word of cmd_args', 'v3', { cmd_args: 'x'.repeat(128 * KIB) }, ['cmd_args']],
  ['sizes', 'a program of v3', 'v3', { selfpath: 'x'.repeat(100 * KIB), selfexec: 'x'.repeat(100 * KIB) }, ['selfexec']],
  ['image', 'not a reference', 'v6', { image: 'UPPER' }, ['image']],
  ['image', 'a WDL attribute', 'v3', { image: 'a"\nx: "y' }, ['image']],
  [
    'input_dir, output_dir',
    'leaves the storebase',
    'v6',
    { input_dir: '../../../etc', output_dir: 'a/../../b' },
    ['input_dir', 'output_dir'],
  ],
  ['input_dir, output_dir', 'the storebase itself', 'v6', { input_dir: '/', output_dir: '.' }, ['input_dir', 'output_dir']],
  ['input_dir, output_dir', 'two leading /', 'v6', { input_dir: '//etc' }, ['input_dir']],
  ['input_dir, output_dir', 'control characters', 'v6', { input_dir: 'a\nb', output_dir: '\x7f' }, ['input_dir', 'output_dir']],
  ['input_dir, output_dir', 'half a surrogate pair', 'v6', { input_dir: '\ud800' }, ['input_dir']],
  ...INTEGERS.flatMap((field) =>
    [true, [1], { a: 1 }, null, '1e3', '1_000', ' 1', '', '0x10', '+1', '-1', -1, 1000.9, '1.0', 'abc', '٣'].map(
      (value): Refused => ['integers', `${field} ${JSON.stringify(value)}`, 'v6', { [field]: value }, [field]],
    ),
  ),
  ...SHAPE_NAMES.flatMap((shape) =>
    REQUIRED[shape].flatMap((field): Refused[] => [
      ['shape', `${field} absent`, shape, { [field]: undefined }, [field]],
      ['lists', `${field} null`, shape, { [field]: null }, [field]],
      ['strings', `${field} true`, shape, { [field]: true }, [field]],
      ['strings', `${field} a dict`, shape, { [field]: { a: 'b' } }, [field]],
      ...(LISTS.includes(field) ? [] : [['strings', `${field} a list`, shape, { [field]: ['a'] }, [field]] satisfies Refused]),
    ]),
  ),
  ...LISTS.flatMap((field) =>
    ['-c', {}, 5, true, [['a']], ['A=b', 5], ['A=b', null], [{}]].map(
      (value): Refused => ['lists', `${field} ${JSON.stringify(value)}`, 'v6', { [field]: value }, [field]],
    ),
  ),
]

describe('what is refused names its fields', () => {
  test.each(REFUSED)('%s: %s (%s)', (_row, _matter, shape, changes, fields) => {
    const refused = refusedFields(request(shape, changes))
    expect(Object.keys(refused).sort()).toEqual([...fields].sort())
    expect(Object.values(refused)).not.toContain('')
  })

  test('all at once', () => {
    expect(Object.keys(refusedFields({})).sort()).toEqual([...REQUIRED.v6].sort())
    expect(Object.keys(refusedFields({ cmd_args: "'" })).sort()).toEqual([...REQUIRED.v3].sort())
  })

  test('in words that tell what is right', () => {
    expect(refusedFields(request('v6', { type: 'xx', args: undefined, cpu_limit: 'abc', env: ['OK=1', 'secret'] }))).toEqual({
      type: '"xx" is not a valid choice: give one of ds, fs, ts',
      args: 'Missing required parameter in the JSON body',
      cpu_limit: 'must be an integer, not a string',
      env: 'element 2 must be "key=value", its key not empty',
    })
  })
})

describe('bodies: one that is not an object is refused', () => {
  test.each<[unknown]>([[undefined], [null], [[]], [[{}]], ['text'], [5], [true]])('%j', (body) => {
    expect(Object.keys(refusedFields(body))).toEqual(['body'])
  })
})

describe('path flags', () => {
  const v4 = (args: string[], flags: string[], type = 'fs'): string[] =>
    pman.parse(request('v4', { args, args_path_flags: flags, type })).spec.args
  const v3 = (line: string, flags: string, type = 'fs'): string[] =>
    pman.parse(request('v3', { cmd_args: line, cmd_path_flags: flags, type })).spec.args
  const IN = '/share/incoming'
  const OUT = '/share/outgoing'

  test.each<[string, string[], string[], string[]]>([
    ['the next argument', ['--d', 'x', 'y'], ['--d'], ['--d', IN, 'y']],
    ['each of several', ['-a', 'x', '-b', 'y'], ['-a', '-b'], ['-a', IN, '-b', IN]],
    ['a flag given twice', ['-a', 'x', '-a', 'y'], ['-a', '-a'], ['-a', IN, '-a', IN]],
    ['a value that looks like a flag', ['-a', '-a', 'x'], ['-a'], ['-a', IN, 'x']],
    ['a flag without a value gains one', ['x', '-a'], ['-a'], ['x', '-a', IN]],
    ['--dir=x stays', ['--dir=x', 'y'], ['--dir'], ['--dir=x', 'y']],
    ['a flag that is not there', ['a', 'b'], ['-a'], ['a', 'b']],
    ['no flags', ['-a', 'b'], [], ['-a', 'b']],
  ])('v4: %s', (_, args, flags, localised) => {
    expect(v4(args, flags)).toEqual([...localised, OUT])
  })

  test.each<[string, string, string, string[]]>([
    ['the next argument', '--d x y', '--d', ['--d', IN, 'y']],
    ['each of several', '-a x -b y', '-a,-b', ['-a', IN, '-b', IN]],
    ['flags are not trimmed', '-a x -b y', '-a, -b', ['-a', IN, '-b', 'y']],
    ['a value that looks like a flag', '-a -a x', '-a', ['-a', IN, 'x']],
    ['a flag without a value gains none', 'x -a', '-a', ['x', '-a']],
    ['--dir=x stays', '--dir=x y', '--dir', ['--dir=x', 'y']],
    ['a quoted value', '--dir "a b" "c d"', '--dir', ['--dir', IN, 'c d']],
    ['no flags', '-a b', '', ['-a', 'b']],
  ])('v3: %s', (_, line, flags, localised) => {
    expect(v3(line, flags)).toEqual([...localised, OUT])
  })

  test.each([
    ['ds', [IN, OUT]],
    ['fs', [OUT]],
    ['ts', [OUT]],
  ])('%s is given %j', (type, directories) => {
    expect(v4([], [], type)).toEqual(directories)
    expect(v3('', '', type)).toEqual(directories)
  })
})

describe('large and still taken', () => {
  const directories = ['/share/incoming', '/share/outgoing']

  test.each<[string, string[]]>([
    ['5,000 short arguments', Array.from({ length: 5000 }, (_, index) => `-${index}`)],
    ['128 KiB in arguments of a byte', Array.from({ length: 128 * KIB }, () => 'x')],
    ['a word of 100 KB', ['x'.repeat(100_000)]],
    ['the longest word', ['x'.repeat(128 * KIB - 1)]],
    ['the most bytes', ['é'.repeat(32 * KIB), 'x'.repeat(64 * KIB)]],
  ])('%s', (_, args) => {
    expect(pman.parse(request('v6', { args })).spec.args).toEqual([...args, ...directories])
  })

  test('args and env of 128 KiB together', () => {
    const body = request('v6', { args: ['x'.repeat(64 * KIB)], env: [`A=${'x'.repeat(64 * KIB - 2)}`] })
    expect(refusedFields(body)).toEqual({})
  })

  test('a long program beside the longest argument', () => {
    expect(refusedFields(request('v6', { entrypoint: ['sh', '-c', 'x'.repeat(100_000)], args: ['x'.repeat(128 * KIB - 1)] }))).toEqual({})
  })

  test('cmd_args of 100 KB', () => {
    const words = Array.from({ length: 10_000 }, (_, index) => `w'${index} `)
    const line = words.map((word) => `"${word}"`).join(' ')
    expect(pman.parse(request('v3', { cmd_args: line })).spec.args).toEqual([...words, '/share/outgoing'])
  })

  test('a jid of 255 astral characters', () => {
    expect(pman.parse(request('v6', { jid: '😀'.repeat(255) })).jid).toBe('😀'.repeat(255))
  })

  test('a list nested 100,000 deep is refused like any other', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)
    for (const field of LISTS) expect(Object.keys(refusedFields(request('v6', { [field]: deep })))).toEqual([field])
    expect(refusedFields(request('v6', { unknown: deep }))).toEqual({})
  })
})

describe('whatever is sent', () => {
  const fields = [...new Set(Object.values(REQUIRED).flat()), 'args_path_flags', 'env', 'cmd_path_flags']
  const text = fc.string({ unit: 'binary' })
  const values = fc.oneof(fc.jsonValue(), fc.array(text), text, fc.integer(), fc.constant(undefined))
  const mutated = fc
    .tuple(fc.constantFrom(...SHAPE_NAMES), fc.dictionary(fc.constantFrom(...fields), values, { maxKeys: 3 }))
    .map(([shape, changes]) => request(shape, changes))

  test('is refused naming fields, or becomes a whole job', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), mutated), (body) => {
        const refused = refusedFields(body)
        if (Object.keys(refused).length > 0) return
        expect(jobSpecSchema.safeParse(pman.parse(body).spec).success).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  test('is read the same way twice, and left as it was', () => {
    fc.assert(
      fc.property(mutated, (body) => {
        fc.pre(Object.keys(refusedFields(body)).length === 0)
        const before = structuredClone(body)
        const first = pman.parse(body)
        expect(body).toEqual(before)
        expect(pman.parse(body)).toEqual(first)
      }),
    )
  })

  test('a key of the prototype is no field', () => {
    const body = JSON.parse('{"__proto__": {"jid": "a", "args": []}, "toString": 1}') as unknown
    expect(Object.keys(refusedFields(body)).sort()).toEqual([...REQUIRED.v6].sort())
  })
})
