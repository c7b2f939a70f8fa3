import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { call, ended, job, makeSite, names, start } from './site.ts'
import type { Site } from './site.ts'

const PLUGIN = join(import.meta.dirname, '..', '..', '..', 'examples', 'plugin')
const PROGRAM = join(PLUGIN, 'brightness.sh')

const run = (...args: string[]) =>
  promisify(execFile)('sh', [PROGRAM, ...args]).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    (error: unknown) => error as { code: number; stdout: string; stderr: string },
  )

describe('the example plugin', () => {
  let site: Site
  beforeEach(async () => {
    site = await makeSite()
    for (const name of await names(join(PLUGIN, 'images'))) await copyFile(join(PLUGIN, 'images', name), join(site.storebase, 'in', name))
  })
  afterEach(() => site.close())

  test('as a job, given as a text: it measures each image and makes it black and white', async () => {
    const argv = ['sh', '-c', await readFile(PROGRAM, 'utf8'), 'brightness', '--threshold', '60', '/share/incoming', '/share/outgoing']
    const ref = await start(site.backend, job(argv))
    expect(await ended(site.backend, ref)).toMatchObject({ reason: 'Completed' })
    const out = join(site.storebase, 'out')
    expect(await names(out)).toEqual(['cross.pgm', 'gradient.pgm', 'summary.json'])
    // the last digit of a mean is rounded by the awk at hand
    expect(JSON.parse(await readFile(join(out, 'summary.json'), 'utf8'))).toEqual({
      threshold: 60,
      images: [
        { file: 'cross.pgm', width: 5, height: 5, mean: expect.closeTo(124.44, 1) as number, min: 51, max: 255, white: 9 },
        { file: 'gradient.pgm', width: 8, height: 4, mean: expect.closeTo(127.13, 1) as number, min: 0, max: 255, white: 24 },
      ],
    })
    expect((await readFile(join(out, 'cross.pgm'), 'utf8')).split('\n').slice(0, 4)).toEqual(['P2', '5 5', '255', '0 0 255 0 0'])
    const { bytes } = await site.backend.logs(ref, { tailLines: 10, maxBytes: 1000 }, call())
    const lines = Buffer.from(bytes).toString().split('\n')
    expect(lines).toEqual([
      '2 images, threshold 60',
      expect.stringMatching(/^\[1\/2\] cross\.pgm: mean 124\.\d\d, 9 of 25 pixels are white$/),
      expect.stringMatching(/^\[2\/2\] gradient\.pgm: mean 127\.\d\d, 24 of 32 pixels are white$/),
      'done',
      '',
    ])
    await site.backend.remove(ref, call())
  })
})

describe('what the example plugin refuses', () => {
  let root = ''
  beforeEach(async () => (root = await mkdtemp(join(tmpdir(), 'pman-plugin-'))))
  afterEach(() => rm(root, { recursive: true, force: true }))

  test.each<[string, (root: string) => string[], number, RegExp]>([
    ['no directories', () => [], 2, /needs two directories[\s\S]*usage/],
    ['a threshold out of range', (at) => ['--threshold', '256', at, at], 2, /--threshold must be a whole number from 0 to 255/],
    ['a threshold that is none', (at) => ['--threshold', '1e2', at, at], 2, /--threshold must be/],
    ['an option without its value', () => ['--pause'], 2, /--pause must be/],
    ['an unknown option', (at) => ['--x', at, at], 2, /no option --x[\s\S]*usage/],
    ['no images', (at) => [at, at], 1, /no \.pgm image/],
    ['a directory that is not there', (at) => [`${at}/none`, at], 1, /there is no directory/],
  ])('%s', async (_name, args, code, text) => {
    expect(await run(...args(root))).toMatchObject({ code, stderr: expect.stringMatching(text) as string })
  })

  test.each([
    ['', /bad\.pgm: is no plain PGM/],
    ['GIF89a', /is no plain PGM/],
    ['P5 1 1 255\n1', /is no plain PGM/],
    ['P2 0 1 255\n', /its width must be a whole number from 1/],
    ['P2 1 -1 255\n', /its height/],
    ['P2 1 1 65536\n1', /its greatest value/],
    ['P2 2 1 9\n3', /has 1 pixels in place of 2/],
    ['P2 1 1 9\n10', /a pixel must be .* 0 to 9/],
    ['P2 1 1 9\n0x1', /a pixel must be/],
  ])('the image %j', async (text, why) => {
    await mkdir(join(root, 'in'))
    await writeFile(join(root, 'in', 'bad.pgm'), text)
    expect(await run(join(root, 'in'), join(root, 'out'))).toMatchObject({ code: 1, stderr: expect.stringMatching(why) as string })
    expect(await names(join(root, 'out'))).not.toContain('summary.json')
  })

  test('comments and Windows line ends are no pixels', async () => {
    await mkdir(join(root, 'in'))
    await writeFile(join(root, 'in', 'small.pgm'), 'P2#c\r\n2 1 9#d\r\n3 9\r\n')
    expect(await run(join(root, 'in'), join(root, 'out'))).toMatchObject({ code: 0, stdout: expect.stringContaining('1 of 2 pixels are white') as string })
  })
})
