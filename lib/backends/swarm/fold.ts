import { REASONS } from '../../jobs/reasons.ts'
import type { Observation } from '../contract.ts'
import type { Task } from './shapes.ts'
import { endOf, isUnwanted, phaseOf, wordsOf } from './states.ts'
import type { TaskPhase } from './states.ts'

/** What there is of a job besides its tasks. */
export interface Job {
  /** How many tasks it must have. */
  workers: number
  /** What was changed of what the job asked for. */
  note?: string | undefined
}

/** What the tasks say, and the failed task whose reason it is. */
export interface Folded {
  observation: Observation
  culprit?: Task | undefined
}

interface Sight {
  task: Task
  phase: TaskPhase
  /** Of several workers: `worker 2`, counted from 0. */
  name: string
  /** When it came to its present state. */
  at: number | undefined
}

/**
 * What all tasks of a released job say together. It has ended once every task has, so that nothing of it runs on; it succeeds if all have
 * succeeded, otherwise the first failure is the job's. A task that was put in another's place counts beside it: both have run.
 */
export function fold(tasks: readonly Task[], { workers, note }: Job): Folded {
  const unknown = tasks.find((task) => phaseOf(task) === undefined)
  if (unknown !== undefined) {
    return { observation: { kind: 'unknown', error: `a task is in a state that is not known here: ${unknown.Status.State}` } }
  }
  const sights = tasks.map((task) => sightOf(task, workers)).sort((a, b) => slotOf(a) - slotOf(b) || timeOf(a) - timeOf(b))
  const slots = new Set(tasks.map(({ Slot }) => Slot))
  const said = [...(note === undefined ? [] : [note]), ...secondRuns(sights)]
  const message = (...words: readonly (string | undefined)[]): string | undefined => {
    const all = [...words.filter((word) => word !== undefined), ...said]
    return all.length === 0 ? undefined : all.join('; ')
  }
  if (slots.size >= workers && sights.every(({ phase }) => phase === 'ended')) return ended(sights, message)
  const startedAt = times(sights.filter(({ phase }) => phase === 'running'))[0]
  const going = sights.filter(({ phase }) => phase !== 'ended')
  if (going.length > 0 && slots.size >= workers && going.every(({ task }) => isUnwanted(task))) {
    return { observation: { kind: 'state', phase: 'stopping', startedAt, message: message(UNWANTED) } }
  }
  const begun = sights.some(({ phase }) => phase !== 'waiting')
  const missing = workers - slots.size
  const waits = [
    ...new Set(going.filter(({ phase }) => phase === 'waiting').map(waitOf)),
    ...(missing > 0 ? [`the swarm has yet to make ${workers === 1 ? 'its task' : `${missing} of its ${workers} tasks`}`] : []),
  ]
  return { observation: { kind: 'state', phase: begun ? 'running' : 'waiting', startedAt, message: message(...waits) } }
}

const UNWANTED = 'the swarm wants it to end; of a node that does not answer, the end is seen when it is back'

function ended(sights: readonly Sight[], message: (...words: readonly (string | undefined)[]) => string | undefined): Folded {
  const ends = sights.map((sight) => ({ ...sight, end: endOf(sight.task) }))
  const failures = ends.filter(({ end }) => REASONS[end.reason].final !== 'succeeded').sort((a, b) => timeOf(a) - timeOf(b))
  const finishedAt = times(sights).at(-1)
  const [first] = failures
  if (first === undefined) {
    return { observation: { kind: 'state', phase: 'ended', reason: 'Completed', exitCode: 0, finishedAt, message: message() } }
  }
  const { reason, exitCode } = first.end
  const others = failures.length > 1 ? `${failures.length} of ${sights.length} tasks have failed` : undefined
  const said = message(named(first, first.end.message), others)
  return { observation: { kind: 'state', phase: 'ended', reason, exitCode, finishedAt, message: said }, culprit: first.task }
}

function sightOf(task: Task, workers: number): Sight {
  const at = Date.parse(task.Status.Timestamp ?? '')
  const name = workers === 1 || task.Slot === undefined ? '' : `worker ${task.Slot - 1}`
  return { task, phase: phaseOf(task) ?? 'waiting', name, at: Number.isNaN(at) ? undefined : at }
}

const named = ({ name }: Sight, words: string | undefined): string | undefined =>
  words === undefined || name === '' ? (words ?? (name === '' ? undefined : `${name} has failed`)) : `${name}: ${words}`

/** The scheduler's words, or else the name of the stage. */
function waitOf({ task }: Sight): string {
  const { Err = '', State } = task.Status
  const words = wordsOf(task)
  return Err !== '' ? words : `${State}${words === '' || words === State ? '' : `: ${words}`}`
}

/** Restart is off, so a slot has one task for ever: a second one is someone's doing, such as `docker service update --force`. */
function secondRuns(sights: readonly Sight[]): string[] {
  const runs = new Map<number, number>()
  for (const { task } of sights) if (task.Slot !== undefined) runs.set(task.Slot, (runs.get(task.Slot) ?? 0) + 1)
  return [...runs].filter(([, count]) => count > 1).map(([slot, count]) => `the swarm was made to run worker ${slot - 1} ${count} times`)
}

const slotOf = ({ task }: Sight): number => task.Slot ?? 0
const timeOf = ({ at }: Sight): number => at ?? 0
/** When each came to its present state, as far as it is known; in order. */
const times = (sights: readonly Sight[]): number[] => sights.flatMap(({ at }) => at ?? []).sort((a, b) => a - b)
