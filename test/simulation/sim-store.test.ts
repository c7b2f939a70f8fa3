import { randomBytes } from 'node:crypto'
import { DEFAULT_TIMING } from '../../lib/jobs/timing.ts'
import { storeContract } from '../contract/store/suite.ts'
import { simStore, Table } from './sim-store.ts'

storeContract('the simulation’s own', {
  open: async (clock) =>
    simStore({
      table: new Table(),
      timing: DEFAULT_TIMING,
      clock,
      random: randomBytes,
      request: async (_request, effect) => effect(),
      changed: () => undefined,
      index: (follow) => follow(),
    }),
})
