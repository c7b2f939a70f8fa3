import { isNoLog } from '../../../lib/backends/kubernetes/logs.ts'

const ID = 'containerd://0a1b'

test.each<[text: string, id: string | undefined, is: boolean]>([
  [`unable to retrieve container logs for ${ID}`, ID, true],
  [`unable to retrieve container logs for ${ID}\n`, ID, true],
  [`unable to retrieve container logs for ${ID}`, 'containerd://other', false],
  [`unable to retrieve container logs for ${ID}`, undefined, false],
  [`a job's own line\nunable to retrieve container logs for ${ID}`, ID, false],
  ['', ID, false],
])('what the kubelet says in place of a log is none: %j of %s', (text, id, is) => {
  expect(isNoLog({ bytes: Buffer.from(text), truncated: false }, id)).toBe(is)
})
