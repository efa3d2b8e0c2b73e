import { readFileSync } from 'node:fs'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { listProcesses, type ProcessStat } from './process-stat.ts'

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
    const living = listing.processes.filter(({ state }) => state !== 'Z' && state !== 'X')
    const look: Look = { processes, strangers: new Set(), isWhole: listing.isWhole }
    const found = living.filter((each) => this.#belongs(each, look))
    this.#strangers = look.strangers
    for (const each of found) this.#members.add(nameOf(each))
    this.#forgetEnded(processes)
    return { found, isWhole: look.isWhole }
  }

  #belongs(candidate: ProcessStat, look: Look): boolean {
    let at: ProcessStat | undefined = candidate
    for (let generation = 0; at && generation < ANCESTORS_MAX; generation++) {
      if (this.#members.has(nameOf(at))) return true
      at = look.processes.get(at.parent)
    }
    return this.#carriesMark(candidate, look)
  }

  #carriesMark({ pid, parent, startTicks }: ProcessStat, look: Look): boolean {
    const name = nameOf({ pid, startTicks })
    const isKernels = pid === KTHREADD || parent === KTHREADD
    if (!isKernels && !this.#strangers.has(name)) {
      const environment = readEnvironment(pid)
      if (environment?.includes(`${MARK_VARIABLE}=${this.mark}\0`)) return true
      if (environment === undefined) look.isWhole = false
      // An empty environment may be that of a process in the middle of an exec: it is read again next time.
      if (!environment) return false
    }
    look.strangers.add(name)
    return false
  }

  #forgetEnded(processes: ReadonlyMap<number, ProcessStat>): void {
    const living = new Set([...processes.values()].map(nameOf))
    for (const name of this.#members) if (!living.has(name)) this.#members.delete(name)
  }
}

interface Look {
  readonly processes: ReadonlyMap<number, ProcessStat>
  readonly strangers: Set<string>
  isWhole: boolean
}

const ANCESTORS_MAX = 1000
/** The parent of every thread of the kernel. */
const KTHREADD = 2
/** A look takes some milliseconds; elsewhere on a busy machine a process may end during each. */
const LOOKS_MAX = 100

function nameOf({ pid, startTicks }: { pid: number; startTicks: number }): string {
  return `${pid}.${startTicks}`
}

/** Undefined for a process that has ended, empty for one whose environment this user may not read. */
function readEnvironment(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch (error) {
    return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH' ? undefined : ''
  }
}
