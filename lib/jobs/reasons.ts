import type { FinalState } from './types.ts'

/** What a reason answers: how the job ends, whether the same request may be sent again, what to tell a person. */
export interface ReasonAnswers {
  final: FinalState
  /** The job surely did no work that a second run would repeat, or its failure was not its own. */
  mayRepeat: boolean
  tell: string
}

/**
 * Why a job ended. Each driver maps its engine's words to these; an end without a reason does not exist.
 * A driver that meets a new kind of end adds a row here.
 */
export const REASONS = {
  Completed: { final: 'succeeded', mayRepeat: false, tell: 'ended with exit code 0' },
  NonZeroExit: { final: 'failed', mayRepeat: false, tell: 'ended with an exit code other than 0' },
  KilledBySignal: { final: 'failed', mayRepeat: false, tell: 'was killed by a signal that this service did not send' },
  CommandNotFound: { final: 'failed', mayRepeat: false, tell: 'its program was not found where it should run' },
  NotExecutable: { final: 'failed', mayRepeat: false, tell: 'its program cannot be executed' },
  UserRefused: { final: 'failed', mayRepeat: true, tell: 'the user that it should run as is not accepted, and it never ran' },
  MountRefused: { final: 'failed', mayRepeat: true, tell: 'a directory that it needs could not be mounted, and it never ran' },
  PolicyRefused: { final: 'failed', mayRepeat: true, tell: 'is not allowed by a policy of the engine, and never ran' },
  ImageNotFound: { final: 'failed', mayRepeat: true, tell: 'its image does not exist, or not for this engine, and it never ran' },
  ImageRefused: { final: 'failed', mayRepeat: true, tell: 'the registry did not accept the login for its image, and it never ran' },
  RegistryUnreachable: { final: 'failed', mayRepeat: true, tell: 'the registry of its image could not be reached, and it never ran' },
  ImagePullDeadline: { final: 'failed', mayRepeat: true, tell: 'its image was not there in time, and it never ran' },
  OutOfMemory: { final: 'failed', mayRepeat: false, tell: 'needed more memory than its limit, or than its host has' },
  Evicted: { final: 'failed', mayRepeat: false, tell: 'was put off its host by the engine' },
  Preempted: { final: 'failed', mayRepeat: false, tell: 'had to make room for a job that goes before it' },
  StartFailed: { final: 'failed', mayRepeat: false, tell: 'could not be started' },
  BootFailed: { final: 'failed', mayRepeat: true, tell: 'its host did not come up, and it never ran' },
  EngineRejected: { final: 'failed', mayRepeat: true, tell: 'was refused by the engine and never ran' },
  DispatchExhausted: { final: 'failed', mayRepeat: true, tell: 'could not be handed to the engine in time and never ran' },
  HostLost: { final: 'failed', mayRepeat: false, tell: 'its host went down, or the process that watched it was killed; its exit code is not known' },
  CancelRequested: { final: 'cancelled', mayRepeat: false, tell: 'was cancelled on request' },
  CancelledOutside: { final: 'cancelled', mayRepeat: false, tell: 'was withdrawn from the engine by someone else before it ran' },
  StoppedOutside: { final: 'cancelled', mayRepeat: false, tell: 'was stopped at the engine by someone else while it ran' },
  TimeLimit: { final: 'timed_out', mayRepeat: false, tell: 'ran longer than its time limit and was stopped' },
  StartDeadline: { final: 'timed_out', mayRepeat: false, tell: 'was not started by the engine in time and was withdrawn' },
  EngineDeadline: { final: 'timed_out', mayRepeat: false, tell: 'had not ended by the deadline that the engine has for it' },
  EngineForgot: { final: 'lost', mayRepeat: false, tell: 'is no longer known to the engine, which never told how it ended' },
  EngineUnreachable: { final: 'lost', mayRepeat: false, tell: 'was given up because its engine could not be reached for too long' },
} as const satisfies Record<string, ReasonAnswers>

export type Reason = keyof typeof REASONS
export const REASON_NAMES = Object.keys(REASONS) as Reason[]

/** Is this word one of the reasons that this release knows? */
export const isReason = (word: string): word is Reason => Object.hasOwn(REASONS, word)
