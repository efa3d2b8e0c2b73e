import { readdirSync, readFileSync } from 'node:fs'

/** One process as /proc shows it. */
export interface ProcessStat {
  readonly pid: number
  readonly parent: number
  /** `R` running, `S` asleep, `T` stopped, `Z` dead, … : proc_pid_stat(5). */
  readonly state: string
  /** When it began, in clock ticks since boot: with the pid it names one process for ever. */
  readonly startTicks: number
}

/** Fields are counted behind the command's closing parenthesis, which may itself hold spaces and parentheses. */
const PARENT_FIELD = 1
const START_FIELD = 19

/** The process with this pid; undefined when there is none. */
export function readProcess(pid: number): ProcessStat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    pid,
    parent: Number(fields[PARENT_FIELD]),
    state: fields[0] ?? '?',
    startTicks: Number(fields[START_FIELD]),
  }
}

export interface ProcessListing {
  readonly processes: readonly ProcessStat[]
  /**
   * True if none ended while the list was read. Otherwise it may have started another that is not in the list; a list
   * without a gap holds a member of each family that lives, since pids are listed in the order in which they are given.
   */
  readonly isWhole: boolean
}

/** Every process that this user can see. */
export function listProcesses(): ProcessListing {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const processes = pids.map((pid) => readProcess(Number(pid))).filter((found) => found !== undefined)
  return { processes, isWhole: processes.length === pids.length }
}
