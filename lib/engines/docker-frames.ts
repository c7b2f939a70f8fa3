/** The stream of a container's output (Docker Engine API 1.41, ContainerAttach, "Stream format") and its end within bounds. */

const HEADER = 8
/** stdin, which an engine sends as stdout, stdout and stderr. */
const STREAMS: ReadonlySet<number> = new Set([0, 1, 2])
/** Why the engine cannot go on, in its own words, and the bytes of them that are kept (moby: pkg/stdcopy, Systemerr). */
const FAILURE = { stream: 3, bytes: 4096 }

/** A piece of a frame's payload as it came; a frame may come in many. */
export interface Piece {
  stream: number
  bytes: Uint8Array
  /** It begins a frame: an entry of the log. */
  first: boolean
}

/** What is not a frame's header cannot be read on from; nor what follows the engine's word that it has failed. */
export class FrameError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'FrameError'
  }
}

/** Takes a stream apart, whatever the borders of its chunks; holds no more than a header. */
export class Demultiplexer {
  readonly #header = new Uint8Array(HEADER)
  #headerLength = 0
  #left = 0
  #stream = 0
  #first = false
  #failure: Uint8Array = new Uint8Array()

  /** Throws FrameError if the stream has ended within a frame. */
  end(): void {
    if (this.#left > 0 || this.#headerLength > 0) throw new FrameError('the stream ends within a frame')
  }

  /** The pieces in a chunk, which share its memory. Throws FrameError. */
  *push(chunk: Uint8Array): Generator<Piece> {
    let at = 0
    while (at < chunk.length || (this.#first && this.#left === 0)) {
      if (this.#left === 0 && !this.#first) {
        at = this.#readHeader(chunk, at)
        continue
      }
      const bytes = chunk.subarray(at, at + this.#left)
      at += bytes.length
      this.#left -= bytes.length
      if (this.#stream === FAILURE.stream) {
        this.#hearFailure(bytes)
        continue
      }
      yield { stream: this.#stream, bytes, first: this.#first }
      this.#first = false
    }
  }

  #hearFailure(bytes: Uint8Array): void {
    this.#failure = Buffer.concat([this.#failure, bytes]).subarray(0, FAILURE.bytes)
    this.#first = false
    if (this.#left === 0) throw new FrameError(`the engine says: ${Buffer.from(this.#failure).toString('utf8').trim()}`)
  }

  #readHeader(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + HEADER - this.#headerLength)
    this.#header.set(part, this.#headerLength)
    this.#headerLength += part.length
    if (this.#headerLength === HEADER) {
      const [stream = -1, ...zeros] = this.#header.subarray(0, 4)
      if (!(STREAMS.has(stream) || stream === FAILURE.stream) || zeros.some((byte) => byte !== 0)) throw new FrameError('this is not the header of a frame')
      this.#stream = stream
      this.#left = new DataView(this.#header.buffer).getUint32(4)
      this.#headerLength = 0
      this.#first = true
    }
    return at + part.length
  }
}

/** Keeps the last bytes of what is written to it, and counts all. */
export class Ring {
  readonly #bytes: Uint8Array
  #written = 0

  constructor(size: number) {
    this.#bytes = new Uint8Array(size)
  }

  /** Bytes written in all. */
  get written(): number {
    return this.#written
  }

  write(bytes: Uint8Array): void {
    const size = this.#bytes.length
    const kept = size === 0 ? bytes.subarray(bytes.length) : bytes.subarray(Math.max(0, bytes.length - size))
    this.#written += bytes.length
    if (kept.length === 0) return
    const end = this.#written % size
    const start = (end - kept.length + size) % size
    const head = kept.subarray(0, size - start)
    this.#bytes.set(head, start)
    this.#bytes.set(kept.subarray(head.length), 0)
  }

  /** The bytes that are kept, in order. */
  tail(): Uint8Array {
    const size = this.#bytes.length
    if (this.#written <= size) return this.#bytes.slice(0, this.#written)
    const end = this.#written % size
    const tail = new Uint8Array(size)
    tail.set(this.#bytes.subarray(end), 0)
    tail.set(this.#bytes.subarray(0, end), size - end)
    return tail
  }
}
