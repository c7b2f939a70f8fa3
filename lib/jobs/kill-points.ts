/**
 * The places in submit, dispatch, delete and cleanup where a process that dies leaves work half done: each lies between two effects that no
 * single write can join. Each is named once in the sources; `Core.reached` tells a test of it.
 */
export const KILL_POINTS = [
  'submit: request kept',
  'submit: intent written',
  'submit: let go',
  'dispatch: taken over',
  'prepare: pull written',
  'prepare: written',
  'create: made',
  'commit: written',
  'release: sent',
  'release: written again',
  'look: begun',
  'end: log kept',
  'end: written',
  'cancel: written',
  'stop: written',
  'stop: sent',
  'delete: written',
  'remove: sent',
  'remove: written',
  'deadline: written',
  'expire: object gone',
  'expire: items swept',
] as const

/** One of them. */
export type KillPoint = (typeof KILL_POINTS)[number]
