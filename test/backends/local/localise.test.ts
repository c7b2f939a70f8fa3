import fc from 'fast-check'
import { localiser } from '../../../lib/backends/local/localise.ts'

const localise = localiser([
  { target: '/share/incoming', path: '/data/job $& 1/in' },
  { target: '/share/outgoing/', path: '/data/out' },
  { target: '/share', path: '/data/all' },
  { target: '/share/in.com', path: '/data/dot' },
])

describe('a target becomes the real directory', () => {
  test.each([
    ['/share/incoming', '/data/job $& 1/in'],
    ['/share/incoming/', '/data/job $& 1/in/'],
    ['/share/incoming/a b/c', '/data/job $& 1/in/a b/c'],
    ['--in=/share/incoming', '--in=/data/job $& 1/in'],
    ['a:/share/outgoing:b', 'a:/data/out:b'],
    ['/share/outgoing:/share/outgoing/x', '/data/out:/data/out/x'],
    ['"/share/outgoing"', '"/data/out"'],
    ['cat </share/outgoing/x >/share/outgoing/y;ls (/share/outgoing)', 'cat </data/out/x >/data/out/y;ls (/data/out)'],
    ['-d @/share/outgoing/x', '-d @/data/out/x'],
    ['line\n/share/outgoing\n', 'line\n/data/out\n'],
    ['/share', '/data/all'],
    ['/share/other', '/data/all/other'],
    ['/share/incomingX', '/data/all/incomingX'],
    ['/share/inXcom', '/data/all/inXcom'],
  ])('%j', (word, local) => expect(localise(word)).toBe(local))
})

describe('what only looks like a target stays as it is', () => {
  const one = localiser([{ target: '/share/incoming', path: '/data/in' }])
  test.each([
    '/share/incomingX',
    '/share/incoming.bak',
    '/share/incoming-2',
    '/data/share/incoming',
    './share/incoming',
    'x/share/incoming',
    '~/share/incoming',
    '//share/incoming',
    '/share/incomin',
    'share/incoming',
    '/Share/Incoming',
    '$HOME/share/incoming',
    '',
  ])('%j', (word) => expect(one(word)).toBe(word))
})

test('without mounts, and for the root, every word stays', () => {
  const word = '/share/incoming / /x'
  for (const none of [localiser([]), localiser([{ target: '/', path: '/data' }])]) expect(none(word)).toBe(word)
})

test('what was put in is not looked at again', () => {
  const swap = localiser([
    { target: '/a', path: '/b' },
    { target: '/b', path: '/a' },
  ])
  expect(swap('/a:/b:/a/b')).toBe('/b:/a:/b/b')
})

const pieces = fc.array(fc.constantFrom('/', 'share', 'incoming', '=', ':', ' ', 'x', '..', "'", '\n'))
const text = fc.oneof(fc.string({ unit: 'binary' }), pieces.map((parts) => parts.join('')))

test('words without the target never change', () => {
  const one = localiser([{ target: '/share/incoming', path: '/data/in' }])
  fc.assert(fc.property(text.filter((word) => !word.includes('/share/incoming')), (word) => one(word) === word))
})

test('what stands around a target never changes', () => {
  const one = localiser([{ target: '/share/incoming', path: '/data/in' }])
  const around = text.filter((word) => !word.includes('/share/incoming'))
  fc.assert(fc.property(around, around, (before, after) => one(`${before} /share/incoming ${after}`) === `${before} /data/in ${after}`))
})
