/** What is used of dynalite 4, which has no types of its own. */
declare module 'dynalite' {
  import type { Server } from 'node:http'
  /** `path`: the LevelDB folder, in memory without one; `createTableMs`: how long a new table is not yet there. */
  export default function dynalite(options?: { path?: string; createTableMs?: number }): Server
}
