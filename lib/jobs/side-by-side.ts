/** Jobs that are worked on at the same time: one that takes its time delays no other, and an engine is not flooded. */
const WIDTH = 8

/** The answers in the order of the items. Throws what the first of them throws, once no other is at work any more. */
export async function sideBySide<T, R>(items: readonly T[], act: (item: T) => Promise<R>, width = WIDTH): Promise<R[]> {
  const answers: R[] = []
  const failures: unknown[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length && failures.length === 0; at = next++) {
      try {
        answers[at] = await act(items[at] as T)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return answers
}
