/** The rules that the protocol rests on, each broken: it must be caught, or the simulation proves nothing about that rule. */
import {
  adoptsBlindly,
  adoptsOver,
  both,
  commitsEarly,
  commitsInAnyState,
  endsInAnyState,
  givesUpEarly,
  indexIsTruth,
  keepsEpoch,
  readsThenLists,
  releasesFirst,
  staysUnreachable,
  sweepsUncommitted,
  tidiesAfterLostCommit,
} from './broken.ts'
import type { Broken } from './functions.ts'
import { MINUTE, SECOND } from './time.ts'
import { runWorld, type Steer } from './world.ts'

/** A rule that is broken, where it shows, and how many seeds may pass before it is caught. */
export interface Variant {
  broken: Broken
  profile?: string
  /** Makes frequent what it takes to be caught. */
  steer?: Steer
  within: number
  /** Where the rule is covered by another one, which is broken with it: by which. */
  why?: string
  /** The parts of it that are harmless alone, since something else covers them. */
  alone?: readonly Broken[]
}

/** The sweep comes often, and waits for nothing. */
const SWEEPS = { timing: { sweepEvery: SECOND, leftoverGrace: 0 } }
const QUICK = [10, 300] as const
/** The engine answers. */
const QUIET = { 'engine down': 0, 'rate limited': 0, 'engine request lost': 0, 'engine answer lost': 0 }

/** Each name of a rule that the protocol rests on, broken: caught by a seed up to `within`. */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  'release before commit': { broken: releasesFirst, within: 100 },
  'start by the created name': {
    broken: { driver: { startsByCreatedName: true } },
    profile: 'docker',
    steer: { rates: { ...QUIET, 'engine call late': 0.3, 'start refused': 0, 'create refused': 0, crash: 0 }, run: QUICK },
    within: 100,
  },
  'time-out read as absent': { broken: { driver: { timeoutIsAbsent: true } }, within: 100 },
  'writeId ignored': {
    broken: tidiesAfterLostCommit,
    why: 'by a holder that tidies up after a commit that is none of its own; without the tidying the job is only released later',
    alone: [{ store: { ignoresWriteId: true } }],
    within: 100,
  },
  'index taken as truth': { broken: indexIsTruth, within: 100 },
  'epoch not bumped by cancel': {
    broken: both(commitsInAnyState, keepsEpoch('cancel')),
    why: 'together with a commit that asks for the epoch alone: each row of a holder or a look asks for the state too, so that each covers the other',
    alone: [keepsEpoch('cancel'), commitsInAnyState],
    within: 100,
  },
  'an end heeds neither the state nor a stop that was sent': {
    broken: endsInAnyState,
    profile: 'local',
    steer: { rates: { ...QUIET, 'engine slow': 0.7 }, run: [2 * SECOND, 10 * MINUTE] },
    within: 1000,
  },
  'sweep of an uncommitted record\'s object': { broken: sweepsUncommitted, steer: { ...SWEEPS, rates: { 'engine answer lost': 0.2, freeze: 0.3 } }, within: 100 },
  'a job read that is not consistent': { broken: { store: { staleReads: true } }, within: 100 },
  'adoption over a record': { broken: adoptsOver, steer: SWEEPS, within: 100 },

  'docker: started without a look': { broken: { driver: { startsBlindly: true } }, profile: 'docker', steer: { rates: { 'engine call late': 0.4, 'engine slow': 0.4, freeze: 0.3 }, run: QUICK }, within: 200 },
  'docker: a stop spares what has not run': { broken: { driver: { stopSparesInert: true } }, profile: 'docker', within: 100 },
  'slurm: no owner check, so that an id given again is another job': {
    broken: { driver: { trustsIds: true } },
    profile: 'slurm',
    steer: { rates: { 'controller crash': 0.4, 'engine call late': 0.2 } },
    within: 100,
  },
  'swarm: a removed service counts as gone': { broken: { driver: { ignoresTasks: true } }, profile: 'swarm', within: 100 },
  'a resent write that is refused counts as made': { broken: { store: { trustsResends: true } }, within: 100 },
  'each try of a write has the same writeId': {
    broken: { store: { reusesWriteId: true } },
    steer: { rates: { 'store write late': 0.3, 'store answer lost': 0.3, 'cleanup twice': 0.3, 'store slow': 0.3 }, run: QUICK },
    within: 1000,
  },
  'epoch not bumped by delete': {
    broken: both(commitsInAnyState, keepsEpoch('delete')),
    why: 'together with a commit that asks for the epoch alone: the state of a tombstone refuses all that the epoch refuses',
    alone: [keepsEpoch('delete')],
    within: 100,
  },
  'an adoption does not heed what came after the read': { broken: adoptsBlindly, steer: { ...SWEEPS, rates: { 'record lost': 0.9, 'store slow': 0.5, 'engine slow': 0.6 } }, within: 1000 },
  'the sweep reads before it lists': { broken: readsThenLists, steer: { ...SWEEPS, rates: { 'store slow': 0.5, 'engine slow': 0.5, 'cleanup twice': 0.5, freeze: 0.2 } }, within: 1000 },
  'the commit does not wait for previous': { broken: commitsEarly, within: 200 },
  'an engine is given up before its time': { broken: givesUpEarly, within: 100 },
  'an answer does not end the time out of reach': { broken: staysUnreachable, steer: { rates: { 'engine answer lost': 0.2, 'rate limited': 0.2 } }, within: 100 },
}

/** The first seed that catches the variant, or only a part of it; undefined if none does in time. */
export async function tryVariant({ broken, profile, steer, within }: Omit<Variant, 'broken'> & { broken: Broken | undefined }): Promise<Caught | undefined> {
  for (let seed = 1; seed <= within; seed++) {
    const { violation } = await runWorld({ seed, profile, broken, steer })
    if (violation !== undefined) return { seed, told: violation.message }
  }
  return undefined
}

export interface Caught {
  seed: number
  told: string
}
