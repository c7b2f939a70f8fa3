/** What was truly heard of the engine about one job, against which "it could not be reached" is judged. */
import type { Observation } from '../../lib/backends/contract.ts'
import type { JobRecord } from '../../lib/jobs/types.ts'
import type { Process } from './scheduler.ts'

/** One question about a job, and whether its asker got an answer. */
interface Question {
  begun: number
  /** When the asker had its answer, or gave up. */
  at: number
  answered: boolean
  /** The answer was an end, so that nothing was left to ask for. */
  over: boolean
  process: Process
  /** How much had gone wrong for the asker by then: what went wrong later may have kept the answer from the record. */
  mishaps: number
}

/** How long an asker may need, in ms, from its answer until that is in the record: it reads the log before. */
const TO_WRITE = 20_000

const isOver = (seen: Observation): boolean => seen.kind === 'absent' || (seen.kind === 'state' && ['ended', 'withdrawn'].includes(seen.phase))

export class Reach {
  #questions: Question[] = []

  /** Somebody has asked, `begun` being the moment of the question; `seen` undefined: in vain. */
  asked(begun: number, at: number, seen: Observation | undefined, process: Process): void {
    const answered = seen !== undefined && seen.kind !== 'unknown'
    this.#questions.push({ begun, at, answered, over: answered && isOver(seen), process, mishaps: process.mishaps })
  }

  /** Whoever was about to write down an answer is fenced: what was heard so far is not known to have been kept. */
  fenced(): void {
    this.#questions = this.#questions.filter(({ answered }) => !answered)
  }

  /**
   * What speaks against giving the job up now, after `patience` ms in vain; undefined: nothing does. An answer that came undisturbed to one
   * who could write it down ends such a time. While the job is being stopped, and has been for so long, only the word of its end does.
   */
  objection(record: JobRecord, before: JobRecord | undefined, now: number, patience: number): string | undefined {
    const stopping = before?.state === 'cancelling' && now - before.stateSince >= patience
    const heard = this.#questions.filter((one) => one.answered && one.at < now - TO_WRITE && one.process.mishaps === one.mishaps && (!stopping || one.over))
    const lastHeard = heard.reduce((latest, { at }) => Math.max(latest, at), Number.NEGATIVE_INFINITY)
    const inVain = this.#questions.filter(({ answered, at }) => !answered && at > lastHeard)
    const first = inVain.reduce((earliest, { begun }) => Math.min(earliest, begun), Number.POSITIVE_INFINITY)
    const begun = stopping ? Math.max(before.stateSince, lastHeard) : first
    if (inVain.length === 0) return 'nobody has asked in vain'
    return now - begun >= patience ? undefined : `it was out of reach for ${Math.round((now - begun) / 1000)} s, and is ${record.state}`
  }
}
