/** Nothing in them means anything to a shell, into whose text Cromwell puts the attributes as they are (`ConfigAsyncJobExecutionActor`). */
const PATH = /^\/[A-Za-z0-9._/-]+$/

/** Is it a path that may stand in a script of the server? */
export const isPlainPath = (path: string): boolean => PATH.test(path) && !path.split('/').includes('..')
