import type { Backend, EngineRef, Supports } from '../../../lib/backends/contract.ts'

/** One engine, as the contract suite needs it. */
export interface BackendHarness {
  supports: Supports
  /** Makes ready what the tests of one file share; the engine itself is there already. */
  setUp(): Promise<Ground>
  /** Jobs cannot write to a mount that is to be read. */
  readOnlyInputs: boolean
  /** The driver or its engine sees the storebase, and refuses a directory that is not there. */
  seesDirectories: boolean
  /** It does not say that a job was killed for its memory, only that it was killed. */
  hidesOutOfMemory?: boolean
  /** How long the engine may take for one step, such as a start, in ms. */
  patience: number
  /** How long a job that must not run is watched, in ms: longer than a start usually takes. */
  watch: number
}

export interface Ground {
  /** An image with a POSIX shell, `sh`; ignored where images are. */
  image: string
  /** The storebase, as this process reaches it. */
  storebase: string
  /** A driver on the engine, as one deployment has it; each call makes another. */
  open(deployment: string): Backend
  /** A driver whose engine does not answer. */
  openUnreachable(): Backend
  /** Ends the job by SIGKILL, as somebody else would; missing where a job can do that itself (the first process of a container cannot). */
  kill?: (ref: EngineRef) => Promise<void>
  tearDown(): Promise<void>
}
