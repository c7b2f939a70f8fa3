import { sideBySide } from '../../lib/jobs/side-by-side.ts'

const pause = () => new Promise((resolve) => setTimeout(resolve, 1))

test('the answers are in the order of the items, however long each takes', async () => {
  const waits = [30, 1, 20, 5]
  expect(await sideBySide(waits, async (ms) => (await new Promise((resolve) => setTimeout(resolve, ms)), ms))).toEqual(waits)
  expect(await sideBySide([], pause)).toEqual([])
})

test('at most so many at a time, and as many as may be', async () => {
  let open = 0
  let most = 0
  await sideBySide(
    Array.from({ length: 20 }, (_, at) => at),
    async () => {
      most = Math.max(most, ++open)
      await pause()
      open--
    },
    3,
  )
  expect(most).toBe(3)
})

test('a failure is told once nothing is at work any more, and nothing new is begun', async () => {
  const begun: number[] = []
  let open = 0
  const act = async (at: number): Promise<void> => {
    begun.push(at)
    open++
    await pause()
    if (at === 0) {
      open--
      throw new Error('no')
    }
    await pause()
    open--
  }
  await expect(sideBySide([0, 1, 2, 3, 4], act, 2)).rejects.toThrow('no')
  expect(open).toBe(0)
  expect(begun).toEqual([0, 1])
})
