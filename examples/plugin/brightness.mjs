#!/usr/bin/env node
// A small plugin, to try a job on real files: it measures the brightness of PGM images, and makes black and white of them.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { readPgm, writePgm } from './pgm.mjs'

const USAGE = `usage: brightness.mjs [--threshold 128] [--pause 0.3] INPUT OUTPUT

Of every .pgm image in the directory INPUT, writes one in black and white to the directory OUTPUT, and summary.json of all.
  --threshold N   what is at least this bright becomes white: 0 to 255, whatever the image's own scale
  --pause S       seconds between two lines of progress`

/** A mistake of the caller. */
class Misuse extends Error {}

/**
 * @param {string | undefined} text
 * @param {string} option
 * @param {number} most
 */
function number(text, option, most) {
  const value = text?.trim() ? Number(text) : NaN
  if (value >= 0 && value <= most) return value
  throw new Misuse(`--${option} must be a number from 0 to ${most}`)
}

function wishes() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { threshold: { type: 'string', default: '128' }, pause: { type: 'string', default: '0' }, help: { type: 'boolean' } },
    })
    if (values.help) return undefined
    const [input, output, ...more] = positionals
    if (input === undefined || output === undefined || more.length > 0) throw new Misuse('needs two directories')
    return { input, output, threshold: number(values.threshold, 'threshold', 255), pause: number(values.pause, 'pause', 3600) }
  } catch (error) {
    throw error instanceof TypeError ? new Misuse(error.message) : error
  }
}

/** @param {number} value */
const rounded = (value) => Math.round(value * 100) / 100

/**
 * Brightness on a scale from 0 to 255.
 * @param {import('./pgm.mjs').Image} image
 */
function measured({ width, height, max, pixels }) {
  const scale = 255 / max
  const sums = pixels.reduce(
    ({ sum, min, most }, pixel) => ({ sum: sum + pixel, min: Math.min(min, pixel), most: Math.max(most, pixel) }),
    { sum: 0, min: max, most: 0 },
  )
  const mean = rounded((sums.sum / pixels.length) * scale)
  return { width, height, mean, min: rounded(sums.min * scale), max: rounded(sums.most * scale) }
}

/** @param {NonNullable<ReturnType<typeof wishes>>} wishes */
async function run({ input, output, threshold, pause }) {
  const names = (await readdir(input)).filter((name) => name.toLowerCase().endsWith('.pgm')).sort()
  if (names.length === 0) throw new Error(`there is no .pgm image in ${input}`)
  console.log(`${names.length} images, threshold ${threshold}`)
  await mkdir(output, { recursive: true })
  const images = []
  for (const [index, name] of names.entries()) {
    await delay(1000 * pause)
    const image = await readPgmFile(join(input, name), name)
    const white = image.pixels.map((pixel) => (pixel * 255 >= threshold * image.max ? 255 : 0))
    await writeFile(join(output, name), writePgm({ ...image, max: 255, pixels: white }))
    const found = { file: name, ...measured(image), white: white.filter((pixel) => pixel > 0).length }
    images.push(found)
    console.log(`[${index + 1}/${names.length}] ${name}: mean ${found.mean}, ${found.white} of ${white.length} pixels are white`)
  }
  await delay(1000 * pause)
  await writeFile(join(output, 'summary.json'), `${JSON.stringify({ threshold, images }, undefined, 2)}\n`)
  console.log('done')
}

/** @param {string} path @param {string} name */
async function readPgmFile(path, name) {
  const bytes = await readFile(path)
  try {
    return readPgm(bytes)
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

try {
  const wished = wishes()
  if (wished === undefined) console.log(USAGE)
  else await run(wished)
} catch (error) {
  console.error(`brightness: ${error instanceof Error ? error.message : String(error)}`)
  if (error instanceof Misuse) console.error(USAGE)
  process.exitCode = error instanceof Misuse ? 2 : 1
}
