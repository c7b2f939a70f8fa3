/** Registers one skipped test that carries its reason, so that the report names what did not run, and why. */
export function skip(name: string, reason: string): void {
  test.skip(`${name} [skipped: ${reason}]`, () => undefined)
}

/** `describe` where the condition holds, otherwise one skipped test with the reason. */
export function describeIf(condition: boolean, reason: string, name: string, body: () => void): void {
  if (condition) describe(name, body)
  else skip(name, reason)
}

/** `test` where the condition holds, otherwise skipped with the reason. */
export function testIf(condition: boolean, reason: string, name: string, body: () => Promise<void>, timeout?: number): void {
  if (condition) test(name, body, timeout)
  else skip(name, reason)
}
