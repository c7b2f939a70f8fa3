import fc from 'fast-check'
import { literal, literalIn, plain, workerIndex } from '../../../lib/backends/swarm/template.ts'

/** What text/template makes of text whose only actions are quoted strings; throws for any other action. */
function expanded(template: string): string {
  return template.replaceAll(/\{\{(?:"((?:[^"])*)"\}\})?/g, (action, text: string | undefined) => {
    if (text === undefined) throw new Error(`an action begins at ${action}`)
    return text
  })
}

test('a template of a literal gives it back', () => {
  const text = fc.string({ unit: fc.constantFrom('{', '}', '"', '{{', 'a', '\n', '.Task.Slot') })
  fc.assert(fc.property(text, (one) => expanded(literal(one)) === one && plain(literal(one)) === one))
  expect(literal('a{{.Task.ID}}')).toBe('a{{"{{"}}.Task.ID}}')
})

test('every text in a value', () => {
  const mounts = (braces: string) => [{ Source: `/${braces}a`, ReadOnly: true, Options: { o: [braces] } }]
  expect(literalIn(mounts('{{'))).toEqual(mounts('{{"{{"}}'))
})

test('the only worker is told its index without a template', () => {
  expect(workerIndex(1)).toBe('0')
})

// What the templates give is in engine.test.ts: only the engine can tell.
test.each([
  [2, 1],
  [9, 1],
  [10, 2],
  [1000, 4],
])('%i workers have slots of up to %i digits', (workers, digits) => {
  expect(workerIndex(workers).match(/index \$s/g)).toHaveLength(digits)
})
