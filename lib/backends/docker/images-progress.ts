import * as z from 'zod'
import type { CallLog } from '../contract.ts'

/** How often a pull is told of, in ms. */
const TELL_EVERY = 5_000

/** Docker Engine API 1.41, ImageCreate: one line of its stream; without an id, it is about the whole image. */
const progressSchema = z.object({
  id: z.string(),
  status: z.string(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).optional(),
})

const DONE = ['Download complete', 'Pull complete', 'Already exists']

/** Takes the lines of a pull, and tells now and then how far it is. */
export function progressOf(image: string, log: CallLog, clock = Date.now): (line: unknown) => void {
  const layers = new Map<string, { bytes: number; done: boolean }>()
  let told = -Infinity
  return (line) => {
    const { data } = progressSchema.safeParse(line)
    if (data === undefined) return
    const { id, status, progressDetail } = data
    if (status.startsWith('Pulling from')) return
    const before = layers.get(id) ?? { bytes: 0, done: false }
    const bytes = status === 'Downloading' ? (progressDetail?.current ?? 0) : before.bytes
    layers.set(id, { bytes: Math.max(before.bytes, bytes), done: before.done || DONE.includes(status) })
    if (clock() - told < TELL_EVERY) return
    told = clock()
    const all = [...layers.values()]
    const done = all.filter((layer) => layer.done).length
    log('pulling image', { image, layers: all.length, done, bytes: all.reduce((sum, layer) => sum + layer.bytes, 0) })
  }
}
