import { execFile } from 'node:child_process'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { readPgm, writePgm } from '../../../examples/plugin/pgm.mjs'
import { call, ended, job, makeSite, names, start } from './site.ts'
import type { Site } from './site.ts'

const PLUGIN = join(import.meta.dirname, '..', '..', '..', 'examples', 'plugin')
const PROGRAM = join(PLUGIN, 'brightness.mjs')

describe('PGM', () => {
  const image = fc
    .record({ width: fc.integer({ min: 1, max: 9 }), height: fc.integer({ min: 1, max: 9 }), max: fc.integer({ min: 1, max: 65_535 }) })
    .chain((size) => {
      const count = size.width * size.height
      const pixels = fc.array(fc.integer({ min: 0, max: size.max }), { minLength: count, maxLength: count })
      return pixels.map((all) => ({ ...size, pixels: all }))
    })

  test('what was written is read, as text and as bytes', () => {
    fc.assert(
      fc.property(image, (wanted) => {
        const { width, height, max, pixels } = wanted
        const raster = pixels.flatMap((pixel) => (max < 256 ? [pixel] : [pixel >> 8, pixel & 255]))
        expect(readPgm(Buffer.from(writePgm(wanted)))).toEqual(wanted)
        const header = `P5 ${width} # wide\n# high\n${height}\t${max}\n`
        expect(readPgm(Buffer.concat([Buffer.from(header), Buffer.from(raster)]))).toEqual(wanted)
      }),
    )
  })

  test.each([
    ['P2#c\n2 1 9#d\n3 4', { width: 2, height: 1, max: 9, pixels: [3, 4] }],
    ['P2 1 1 1\r\n1\n', { width: 1, height: 1, max: 1, pixels: [1] }],
    ['P5 1 1 255\n\n', { width: 1, height: 1, max: 255, pixels: [10] }],
  ])('%j', (text, expected) => expect(readPgm(Buffer.from(text))).toEqual(expected))

  test.each([
    ['', /P2 or P5/],
    ['P6 1 1 255\nabc', /P2 or P5/],
    ['P2 0 1 255\n', /width/],
    ['P2 1 -1 255\n', /height/],
    ['P2 1 1 65536\n1', /greatest/],
    ['P2 2 1 9\n3', /a pixel .* ''/],
    ['P2 1 1 9\n10', /a pixel .* '10'/],
    ['P2 1 1 9\n0x1', /a pixel/],
    ['P5 2 2 255\nabc', /3 bytes .* 4/],
    ['P5 1 1 9\na', /a pixel .* 97/],
  ])('%j is refused', (text, why) => expect(() => readPgm(Buffer.from(text))).toThrow(why))
})

describe('brightness.mjs', () => {
  let site: Site
  beforeEach(async () => {
    site = await makeSite()
    for (const name of await names(join(PLUGIN, 'images'))) await copyFile(join(PLUGIN, 'images', name), join(site.storebase, 'in', name))
  })
  afterEach(() => site.close())

  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, [PROGRAM, ...args]).then(
      ({ stdout }) => ({ code: 0, text: stdout }),
      (error: unknown) => error as { code: number; stderr: string },
    )

  test('as a job: it measures each image and makes it black and white', async () => {
    const argv = ['node', PROGRAM, '--threshold', '60', '--pause', '0.1', '/share/incoming', '/share/outgoing']
    const ref = await start(site.backend, job(argv))
    expect(await ended(site.backend, ref)).toMatchObject({ reason: 'Completed' })
    const out = join(site.storebase, 'out')
    expect(await names(out)).toEqual(['cross.pgm', 'gradient.pgm', 'summary.json'])
    expect(JSON.parse(await readFile(join(out, 'summary.json'), 'utf8'))).toEqual({
      threshold: 60,
      images: [
        { file: 'cross.pgm', width: 5, height: 5, mean: 124.44, min: 51, max: 255, white: 9 },
        { file: 'gradient.pgm', width: 8, height: 4, mean: 127.13, min: 0, max: 255, white: 24 },
      ],
    })
    expect(readPgm(await readFile(join(out, 'cross.pgm'))).pixels.slice(0, 5)).toEqual([0, 0, 255, 0, 0])
    const { bytes } = await site.backend.logs(ref, { tailLines: 10, maxBytes: 1000 }, call())
    expect(Buffer.from(bytes).toString().split('\n')).toEqual([
      '2 images, threshold 60',
      '[1/2] cross.pgm: mean 124.44, 9 of 25 pixels are white',
      '[2/2] gradient.pgm: mean 127.13, 24 of 32 pixels are white',
      'done',
      '',
    ])
    await site.backend.remove(ref, call())
  })

  test.each<[string, (root: string) => string[], number, RegExp]>([
    ['no directories', () => [], 2, /needs two directories[\s\S]*usage/],
    ['a threshold out of range', (root) => ['--threshold', '256', root, root], 2, /--threshold must be a number from 0 to 255/],
    ['an unknown option', (root) => ['--x', root, root], 2, /usage/],
    ['no images', (root) => [root, root], 1, /no .pgm image/],
    ['a directory that is not there', (root) => [`${root}/none`, root], 1, /ENOENT/],
    ['an image that is none', (root) => [`${root}/bad`, root], 1, /bad.pgm: does not begin/],
  ])('%s', async (_name, args, code, text) => {
    await mkdir(join(site.root, 'bad'))
    await writeFile(join(site.root, 'bad', 'bad.pgm'), 'GIF89a')
    const result = await run(...args(site.root))
    expect(result).toMatchObject({ code, stderr: expect.stringMatching(text) as string })
  })
})
