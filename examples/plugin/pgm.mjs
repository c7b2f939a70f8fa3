/**
 * A grey image: `pixels` are from 0 (black) to `max` (white), row by row.
 * @typedef {{ width: number, height: number, max: number, pixels: number[] }} Image
 */

const NEWLINE = 0x0a
const HASH = 0x23
const isBlank = (/** @type {number} */ byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)

/**
 * Reads a PGM image, in text (P2) or in bytes (P5), as Netpbm defines it. Throws if it is not one.
 * @param {Uint8Array} bytes
 * @returns {Image}
 */
export function readPgm(bytes) {
  let at = 0
  /** The next word; what follows a `#` on a line is a comment. */
  const word = () => {
    while (at < bytes.length && (isBlank(bytes[at] ?? 0) || bytes[at] === HASH)) {
      if (bytes[at] !== HASH) at++
      else while (at < bytes.length && bytes[at] !== NEWLINE) at++
    }
    const start = at
    while (at < bytes.length && !isBlank(bytes[at] ?? 0) && bytes[at] !== HASH) at++
    return String.fromCharCode(...bytes.subarray(start, at))
  }
  /** @param {string} what @param {number} least @param {number} most */
  const number = (what, least, most) => {
    const text = word()
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (value >= least && value <= most) return value
    throw new Error(`${what} must be from ${least} to ${most}, and is '${text.slice(0, 20)}'`)
  }

  const magic = word()
  if (magic !== 'P2' && magic !== 'P5') throw new Error('does not begin as a PGM image does, with P2 or P5')
  const width = number('the width', 1, 65_536)
  const height = number('the height', 1, 65_536)
  const max = number('the greatest value', 1, 65_535)
  const count = width * height
  if (magic === 'P2') return { width, height, max, pixels: Array.from({ length: count }, () => number('a pixel', 0, max)) }

  const raster = bytes.subarray(at + 1)
  const size = max < 256 ? 1 : 2
  if (raster.length < count * size) throw new Error(`has ${raster.length} bytes of pixels, and should have ${count * size}`)
  const view = new DataView(raster.buffer, raster.byteOffset, raster.byteLength)
  const pixels = Array.from({ length: count }, (_, index) => (size === 1 ? view.getUint8(index) : view.getUint16(2 * index)))
  const wrong = pixels.find((pixel) => pixel > max)
  if (wrong !== undefined) throw new Error(`a pixel must be from 0 to ${max}, and is ${wrong}`)
  return { width, height, max, pixels }
}

/**
 * The image as text (P2), a row on each line.
 * @param {Image} image
 */
export function writePgm({ width, height, max, pixels }) {
  const rows = Array.from({ length: height }, (_, row) => pixels.slice(row * width, (row + 1) * width).join(' '))
  return `P2\n${width} ${height}\n${max}\n${rows.join('\n')}\n`
}
