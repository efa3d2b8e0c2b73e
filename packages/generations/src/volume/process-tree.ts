import { readFileSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'
import { listProcesses, type ProcessStat, readProcess } from './process-stat.ts'

/** What a command and all that it starts carry in their environment under a watch without cgroups. */
export const MARK_VARIABLE = 'HOLDFAST_WATCH'

/**
 * A process, its descendants, and whatever carries its mark: a daemon that has left the tree is found by the mark, a
 * process that has cleared its environment by its parents.
 */
export class ProcessTree {
  readonly root: { readonly pid: number; readonly startTicks: number }
  readonly mark: string
  /** Processes that belong, for ever: one that loses its parent later still does. */
  readonly #members = new Set<string>()
  /** Processes whose environment was read and holds no mark. */
  #strangers = new Set<string>()

  constructor(root: { readonly pid: number; readonly startTicks: number }, mark: string) {
    this.root = root
    this.mark = mark
    this.#members.add(nameOf(root))
  }

  /** All members that live now, as far as one look shows. */
  members(): ProcessStat[] {
    return this.#look().found
  }

  /**
   * The members that run, or none when there are surely none: a process that somebody stopped is not this watch's to
   * continue. Rejects with `source-failed` when processes come and go faster than they can be looked at.
   */
  running(): number[] {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const { found, isWhole } = this.#look()
      const running = found.flatMap(({ pid, state }) => (state === 'T' || state === 't' ? [] : [pid]))
      if (running.length > 0 || isWhole) return running
    }
    throw new Failure('source-failed', 'processes come and go too fast to be stopped', { looks: LOOKS_MAX })
  }

  #look(): { found: ProcessStat[]; isWhole: boolean } {
    const listing = listProcesses()
    const processes = new Map(listing.processes.map((each) => [each.pid, each]))
    const strangers = new Set<string>()
    const found = listing.processes.filter((each) => this.#belongs(each, processes, strangers))
    this.#strangers = strangers
    for (const each of found) this.#members.add(nameOf(each))
    this.#forgetEnded(processes)
    const unread = listing.processes.some((each) => each.state !== 'Z' && readProcess(each.pid) === undefined)
    const living = found.filter(({ state }) => state !== 'Z' && state !== 'X')
    return { found: living, isWhole: listing.isWhole && !unread }
  }

  #belongs(
    candidate: ProcessStat,
    processes: ReadonlyMap<number, ProcessStat>,
    strangers: Set<string>,
  ): boolean {
    const line: ProcessStat[] = []
    for (let at: ProcessStat | undefined = candidate; at && line.length < ANCESTORS_MAX; ) {
      if (this.#members.has(nameOf(at))) return true
      line.push(at)
      at = processes.get(at.parent)
    }
    return this.#carriesMark(candidate, strangers)
  }

  #carriesMark(candidate: ProcessStat, strangers: Set<string>): boolean {
    const name = nameOf(candidate)
    if (!this.#strangers.has(name)) {
      const environment = readEnvironment(candidate.pid)
      if (environment.includes(`${MARK_VARIABLE}=${this.mark}\0`)) return true
      // An empty environment may be that of a process in the middle of an exec: it is read again.
      if (environment === '') return false
    }
    strangers.add(name)
    return false
  }

  #forgetEnded(processes: ReadonlyMap<number, ProcessStat>): void {
    const living = new Set([...processes.values()].map(nameOf))
    for (const name of this.#members) if (!living.has(name)) this.#members.delete(name)
  }
}

const ANCESTORS_MAX = 1000
/** A look takes some milliseconds; elsewhere on a busy machine a process may end during each. */
const LOOKS_MAX = 100

function nameOf({ pid, startTicks }: { pid: number; startTicks: number }): string {
  return `${pid}.${startTicks}`
}

function readEnvironment(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return ''
  }
}
