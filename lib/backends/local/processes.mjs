import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { errorCode } from './files.mjs'

/**
 * A process as it can be told from any later one that gets its pid: `start` names the boot, the pid namespace and the moment of its start.
 * @typedef {{ pid: number, start: string }} Identity
 * @typedef {{ pid: number, group: number, session: number, state: string, start: string }} Row
 * @typedef {{ scope: string, look(pid: number): Row | undefined, all(): Row[] }} Table
 */

/**
 * Who a process is; undefined if there is none with this pid.
 * @param {number} pid
 * @returns {Identity | undefined}
 */
export function identify(pid) {
  const row = table.look(pid)
  return row && { pid, start: row.start }
}

/**
 * A process that nobody has waited for yet does not count as alive.
 * @param {Identity} identity
 */
export function isAlive({ pid, start }) {
  const row = table.look(pid)
  return row?.start === start && !isDead(row)
}

/**
 * Is anything alive of the group and the session that this process was made to lead, whether or not it still lives itself?
 * @param {Identity} leader
 */
export const groupLives = (leader) => isAlive(leader) || members(leader).length > 0

/**
 * Sends a signal to one process, unless its pid is another's by now.
 * @param {Identity} identity
 * @param {NodeJS.Signals} signal
 */
export function signalProcess(identity, signal) {
  if (isAlive(identity)) send(identity.pid, signal)
}

/**
 * Sends a signal to the leader's group, and to what has left the group but not the session.
 * @param {Identity} leader
 * @param {NodeJS.Signals} signal
 */
export function signalGroup(leader, signal) {
  const found = members(leader)
  if (found.some(({ group }) => group === leader.pid)) send(-leader.pid, signal)
  for (const { pid, group } of found) if (group !== leader.pid) send(pid, signal)
}

/**
 * The leader of the processes that work in this directory or write to this file, both without symbolic links.
 * Only Linux tells; elsewhere: undefined.
 * @param {string} directory
 * @param {string} output
 * @returns {Identity | undefined}
 */
export function leaderOf(directory, output) {
  if (table !== linux) return undefined
  const one = linux.all().find((row) => !isDead(row) && (linkOf(row.pid, 'cwd') === directory || linkOf(row.pid, 'fd/1') === output))
  return one && (identify(one.session) ?? { pid: one.session, start: `${linux.scope}:` })
}

/**
 * A pid is not given again while a group has it as its name, so the leader's group is its own unless another process has the leader's pid.
 * @param {Identity} leader
 * @returns {Row[]}
 */
function members(leader) {
  const holder = table.look(leader.pid)
  const ours = holder === undefined ? leader.start.startsWith(`${table.scope}:`) : holder.start === leader.start
  return ours ? table.all().filter((row) => (row.group === leader.pid || row.session === leader.pid) && !isDead(row)) : []
}

/** @param {Pick<Row, 'state'>} row Z: ended, and its parent has not looked yet. */
const isDead = ({ state }) => state.startsWith('Z') || state.startsWith('X')

/** What cannot be signalled goes on being seen. @param {number} target @param {NodeJS.Signals} signal */
function send(target, signal) {
  try {
    process.kill(target, signal)
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes(errorCode(error))) throw error
  }
}

/**
 * Linux' own table: proc(5), `/proc/<pid>/stat`. The program's name may hold blanks and brackets, so fields are counted from the last `)`.
 * @type {Table}
 */
const linux = {
  scope: [
    there(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    there(() => readlinkSync('/proc/self/ns/pid')),
  ].join('/'),
  look(pid) {
    const text = there(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
    if (text === undefined) return undefined
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state = '', , group, session] = fields
    return { pid, state, group: Number(group), session: Number(session), start: `${linux.scope}:${fields[19] ?? ''}` }
  },
  all() {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return pids.flatMap((pid) => linux.look(Number(pid)) ?? [])
  },
}

/**
 * What POSIX systems share: ps(1), with `lstart` as BSD and macOS have it. It knows no session by number.
 * @type {Table}
 */
const posix = {
  scope: '',
  look: (pid) => posix.all().find((row) => row.pid === pid),
  all() {
    const env = { PATH: '/bin:/usr/bin', LC_ALL: 'C' }
    const text = execFileSync('ps', ['-A', '-o', 'pid=,pgid=,stat=,lstart='], { encoding: 'utf8', env })
    return text.split('\n').flatMap((line) => {
      const [, pid, group, state, start] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*\S)\s*$/.exec(line) ?? []
      return state === undefined ? [] : { pid: Number(pid), group: Number(group), session: Number(group), state, start: `:${start ?? ''}` }
    })
  },
}

const table = existsSync('/proc/self/stat') ? linux : posix

/** @param {number} pid @param {string} name Another user's process does not tell; it is no job of ours. */
const linkOf = (pid, name) => there(() => readlinkSync(`/proc/${pid}/${name}`))

/**
 * @template T
 * @param {() => T} read
 * @returns {T | undefined}
 */
function there(read) {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errorCode(error))) return undefined
    throw error
  }
}
