import { withoutSources } from '../../../lib/backends/docker/redact.ts'

const MOUNTED = [
  { source: '/srv/base/a', target: '/share/incoming' },
  { source: '/srv/base/a/b', target: '/share/outgoing' },
  { source: '', target: '/data' },
  { source: '/', target: '/host' },
]

test.each([
  ['statfs /srv/base/a: no such file', 'statfs what is mounted at /share/incoming: no such file'],
  ['the one within the other: /srv/base/a/b', 'the one within the other: what is mounted at /share/outgoing'],
  ['twice: "/srv/base/a", `/srv/base/a`', 'twice: "what is mounted at /share/incoming", `what is mounted at /share/incoming`'],
  ['a file in it: /srv/base/a/c.txt', 'a file in it: what is mounted at /share/incoming/c.txt'],
  ['exec: "/usr/bin/no": no such file', 'exec: "/usr/bin/no": no such file'],
])('%s', (words, told) => {
  expect(withoutSources(words, MOUNTED)).toBe(told)
})
