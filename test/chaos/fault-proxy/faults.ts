import { onTheWire, type Exchange } from './exchange.ts'

/** What one fault does. */
export interface FaultRow {
  /** May the engine have acted on the request? */
  acts: boolean
  /** What the client gets in the end: the engine's own answer, somebody else's, or none. */
  client: 'the answer' | 'another answer' | 'no answer'
  play(exchange: Exchange): Promise<void>
}

/** In front of the engine: the request is read to its end, and never passed on. */
const before = (then: (exchange: Exchange) => Promise<void> | void) => async (exchange: Exchange) => {
  await exchange.heard()
  await then(exchange)
}

/** Behind it: the engine has acted and answered; the answer is thrown away. */
const after = (then: (exchange: Exchange) => Promise<void> | void) => async (exchange: Exchange) => {
  await exchange.answered()
  await then(exchange)
}

const HTML = { 'content-type': 'text/html' }
const PAGE = '<!doctype html><title>The gateway has something to say</title>'
const NOT_HTTP = Buffer.from('\x16\x03\x01SSH-2.0-?\r\n\0\xff garbage \r\n\r\n', 'latin1')

const cut = (exchange: Exchange): void => exchange.cut()
const notHttp = async (exchange: Exchange): Promise<void> => {
  await exchange.utter(NOT_HTTP)
  exchange.hangUp()
}
const notJson = (exchange: Exchange): void => exchange.say(200, HTML, PAGE)
const says = (status: number, headers: Readonly<Record<string, string>> = {}) => (exchange: Exchange): void =>
  exchange.say(status, { ...HTML, ...headers }, PAGE)
const IN_A_SECOND = { 'retry-after': '1' }

/** Bytes of an answer that are sent one by one, so that it ends; the rest follows at once. */
const DRIPS = 150
const DRIP_APART = 2

/** The faults by name: in front of the engine (`before`), or once it has acted (`after`). */
export const FAULTS = {
  /** The request is not even read, and for a while nobody is let in: see `refusal` in proxy.ts. */
  refuse: { acts: false, client: 'no answer', play: async (exchange) => exchange.cut() },
  'cut before': { acts: false, client: 'no answer', play: before(cut) },
  'cut after': { acts: true, client: 'no answer', play: after(cut) },
  /** The engine hears of it even if the client has given up meanwhile. */
  'delay before': {
    acts: true,
    client: 'the answer',
    play: async (exchange) => {
      await exchange.heard()
      await exchange.pause(exchange.delay)
      await exchange.relay(await exchange.acted())
    },
  },
  'delay after': {
    acts: true,
    client: 'the answer',
    play: async (exchange) => {
      const answer = await exchange.acted()
      await exchange.pause(exchange.delay)
      await exchange.relay(answer)
    },
  },
  '500 before': { acts: false, client: 'another answer', play: before(says(500)) },
  '500 after': { acts: true, client: 'another answer', play: after(says(500)) },
  '429 before': { acts: false, client: 'another answer', play: before(says(429, IN_A_SECOND)) },
  '429 after': { acts: true, client: 'another answer', play: after(says(429, IN_A_SECOND)) },
  '503 before': { acts: false, client: 'another answer', play: before(says(503, IN_A_SECOND)) },
  '503 after': { acts: true, client: 'another answer', play: after(says(503, IN_A_SECOND)) },
  'not HTTP before': { acts: false, client: 'another answer', play: before(notHttp) },
  'not HTTP after': { acts: true, client: 'another answer', play: after(notHttp) },
  'not JSON before': { acts: false, client: 'another answer', play: before(notJson) },
  'not JSON after': { acts: true, client: 'another answer', play: after(notJson) },
  /** Of an answer without a body: half of its head. */
  half: {
    acts: true,
    client: 'no answer',
    play: async (exchange) => {
      const whole = await exchange.answered()
      const bytes = onTheWire(whole)
      const head = bytes.length - whole.body.length
      await exchange.utter(bytes.subarray(0, whole.body.length > 1 ? head + Math.floor(whole.body.length / 2) : Math.floor(head / 2)))
      exchange.hangUp()
    },
  },
  drip: {
    acts: true,
    client: 'the answer',
    play: async (exchange) => {
      const bytes = onTheWire(await exchange.answered())
      await exchange.utter(bytes.subarray(0, DRIPS), DRIP_APART)
      await exchange.utter(bytes.subarray(DRIPS))
      exchange.hangUp()
    },
  },
} as const satisfies Record<string, FaultRow>

export type Fault = keyof typeof FAULTS
export const FAULT_NAMES = Object.keys(FAULTS) as Fault[]
