/** Prints, at the end of a run, every skipped test with its reason, and fails the run if one has none. */
export default class SkipsReporter {
  /** @type {string[]} */
  #without = []

  /**
   * @param {unknown} _contexts
   * @param {import('@jest/test-result').AggregatedResult} results
   */
  onRunComplete(_contexts, results) {
    const skipped = results.testResults.flatMap((file) =>
      file.testResults.filter((test) => test.status === 'pending' || test.status === 'todo').map((test) => ({ file, test })),
    )
    // A filter on the command line leaves tests out without a reason: nothing to tell then.
    const told = skipped.filter(({ test }) => test.title.includes('[skipped: '))
    this.#without = process.argv.some((word) => /^(-t|--testNamePattern)/.test(word))
      ? []
      : skipped.filter((entry) => !told.includes(entry)).map(({ test }) => test.fullName)
    if (told.length > 0) console.log(`\n${told.length} skipped:\n${told.map(({ test }) => `  ${test.fullName}`).join('\n')}`)
    if (this.#without.length > 0) console.log(`\nskipped without a reason:\n${this.#without.map((name) => `  ${name}`).join('\n')}`)
  }

  getLastError() {
    return this.#without.length > 0 ? new Error('tests were skipped without a reason') : undefined
  }
}
