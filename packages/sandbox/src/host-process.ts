import { readdirSync, readFileSync } from 'node:fs'

/** One process of the host; pid and start name it for ever. */
export interface HostProcess {
  readonly pid: number
  /** In clock ticks since boot. */
  readonly startTicks: number
}

interface HostProcessStat extends HostProcess {
  readonly parent: number
  readonly state: string
}

/** Fields behind the command's closing parenthesis, which may itself hold spaces and parentheses (proc_pid_stat(5)). */
const PARENT_FIELD = 1
const START_FIELD = 19

export function hostProcess(pid: number): HostProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return {
      pid,
      parent: Number(fields[PARENT_FIELD]),
      state: fields[0] ?? '?',
      startTicks: Number(fields[START_FIELD]),
    }
  } catch {
    return undefined
  }
}

/** False too for one that is dead and only waits for its parent to notice. */
export function isAlive(wanted: HostProcess): boolean {
  const found = hostProcess(wanted.pid)
  return found !== undefined && found.startTicks === wanted.startTicks && found.state !== 'Z'
}

/** These processes and all that descend from them. */
export function withDescendants(roots: readonly HostProcess[]): HostProcess[] {
  const everyone = listPids()
    .map(hostProcess)
    .filter((found) => found !== undefined)
  const members = new Map(roots.filter(isAlive).map((root) => [root.pid, root]))
  for (let grew = true; grew; ) {
    const fresh = everyone.filter((one) => members.has(one.parent) && !members.has(one.pid))
    for (const one of fresh) members.set(one.pid, one)
    grew = fresh.length > 0
  }
  return [...members.values()]
}

/** Processes that were started with all of these words among their arguments. */
export function processesNaming(words: readonly string[]): HostProcess[] {
  return listPids()
    .filter((pid) => {
      const given = new Set(commandLine(pid))
      return words.every((word) => given.has(word))
    })
    .map(hostProcess)
    .filter((found) => found !== undefined)
}

/** Sends a signal unless the pid belongs to somebody else by now. */
export function signalProcess(target: HostProcess, name: NodeJS.Signals): void {
  if (!isAlive(target)) return
  try {
    process.kill(target.pid, name)
  } catch {
    // it has ended this instant
  }
}

function listPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
