import { EngineRejected } from '../contract.ts'

/** Throws EngineRejected for a job without a program: what runs is what the request says, never what the image would. */
export function requireProgram(argv: readonly string[]): void {
  if (argv[0] !== undefined && argv[0] !== '') return
  const problem = 'must name a program: the one of the image is not run'
  throw new EngineRejected(`entrypoint: ${problem}`, { fields: { entrypoint: problem } })
}
