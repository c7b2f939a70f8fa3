import { withEarlier } from '../../lib/jobs/log-tail.ts'
import type { LogTail } from '../../lib/jobs/types.ts'
import { ANYONE, testGateway } from '../support/gateway.ts'

const log = (text: string, gone?: string[]): LogTail => ({ bytes: Buffer.from(text, 'latin1'), truncated: false, gone })
const textOf = ({ bytes }: { bytes: Uint8Array }): string => Buffer.from(bytes).toString('latin1')

const GONE = 'w 1: (gone)\n'

test.each<[name: string, now: LogTail, earlier: string, whole: string]>([
  ['what was read of it goes before what is said of it', log(`w 0: a\n${GONE}`, ['w 1: ']), 'w 0: a\nw 1: b\nw 1: c\n', `w 0: a\nw 1: b\nw 1: c\n${GONE}`],
  ['nothing was read of it', log(`w 0: a\n${GONE}`, ['w 1: ']), 'w 0: a\n', `w 0: a\n${GONE}`],
  ['it was gone by then', log(GONE, ['w 1: ']), `w 1: b\n${GONE}`, `w 1: b\n${GONE}`],
  ['what is not gone is as it is now', log('w 0: new\n', []), 'w 0: old\n', 'w 0: new\n'],
  ['w 1 is not w 10', log(`w 10: x\n${GONE}`, ['w 1: ']), 'w 10: y\nw 1: b\n', `w 10: x\nw 1: b\n${GONE}`],
  ['bytes are kept', log(GONE, ['w 1: ']), 'w 1: \xff\x00\xc3\n', `w 1: \xff\x00\xc3\n${GONE}`],
])('%s', (_, now, earlier, whole) => {
  expect(textOf(withEarlier(now, log(earlier)))).toBe(whole)
})

test('the log of a part that the engine removes is the last that was shown of it', async () => {
  const gateway = await testGateway()
  const key = gateway.key()
  try {
    gateway.engine.fail('logs', () => Promise.resolve(log('w 0: a\nw 1: b\n')))
    await gateway.service.submit(ANYONE, key, gateway.script(key, 'while [ ! -e /share/outgoing/go ]; do sleep 0.05; done'))
    await gateway.until(key, 'running')
    while (textOf({ bytes: (await gateway.service.status(ANYONE, key)).log }) !== 'w 0: a\nw 1: b\n') await new Promise((resolve) => setTimeout(resolve, 50))
    gateway.engine.fail('logs', () => Promise.resolve(log(`w 0: a\nw 0: end\n${GONE}`, ['w 1: '])))
    gateway.put(key, 'go')
    await gateway.until(key, 'succeeded')
    expect(textOf({ bytes: (await gateway.service.status(ANYONE, key)).log })).toBe(`w 0: a\nw 0: end\nw 1: b\n${GONE}`)
  } finally {
    await gateway.stop()
  }
})
