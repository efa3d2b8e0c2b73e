import { basename } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { randomName } from '../format/names.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import { CgroupFreezer } from '../volume/cgroup-freezer.ts'
import { findCgroupHierarchy } from '../volume/cgroup-hierarchy.ts'
import { Freeze, thaw } from '../volume/freezer.ts'
import { readProcess } from '../volume/process-stat.ts'
import { ProcessTree } from '../volume/process-tree.ts'
import type { Freezer } from '../volume/volume.ts'
import { type CommandRequest, type RunningCommand, startCommand } from './watch-command.ts'
import { loadWorkloadRecord, saveWorkloadRecord } from './workload-record.ts'

/** How writers are stopped: `auto` takes the first of the others that this machine and user can do. */
export type FreezeMethod = 'auto' | 'cgroup-v1' | 'cgroup-v2' | 'signals' | 'none'

export interface WorkloadRequest {
  readonly command?: CommandRequest
  /** A freezer cgroup that holds the writers already. */
  readonly cgroup?: string
  readonly freeze?: FreezeMethod
}

export interface WorkloadDeps {
  readonly holdfs: Holdfs
  readonly clock: Clock
  readonly randomness: Randomness
}

/**
 * What writes a watched directory: a command in a cgroup of its own (or marked, where there are no cgroups), a cgroup
 * that somebody named, and what earlier watches of the directory left running.
 */
export class Workload {
  readonly #deps: WorkloadDeps
  readonly #folder: string
  /** Made by this watch or an earlier one of the directory. */
  #cgroups: CgroupFreezer[] = []
  #attached: CgroupFreezer | null = null
  #trees: ProcessTree[] = []
  #freezes = false
  #command: RunningCommand | null = null

  private constructor(deps: WorkloadDeps, folder: string) {
    this.#deps = deps
    this.#folder = folder
  }

  /**
   * Thaws what the last watcher left, then starts the command or attaches. Call with the directory's writer lock: it
   * proves that the last watcher has ended. Rejects with `not-found`, `invalid-argument` or `unsupported-here`.
   */
  static async open(deps: WorkloadDeps, folder: string, request: WorkloadRequest): Promise<Workload> {
    const workload = new Workload(deps, folder)
    await workload.#adopt()
    try {
      if (request.cgroup !== undefined) await workload.#attach(request.cgroup)
      if (request.command) await workload.#start(request.command, request.freeze ?? 'auto')
      workload.#save()
      return workload
    } catch (error) {
      await workload.close()
      throw error
    }
  }

  get command(): RunningCommand | null {
    return this.#command
  }

  /** Null when the writers cannot be stopped, or when nobody named them. */
  get freezer(): Freezer | null {
    if (!this.#freezes) return null
    return {
      cgroups: this.#allCgroups().flatMap(({ cgroups }) => cgroups),
      pids: () => this.#trees.flatMap((tree) => tree.running()),
    }
  }

  /** CPU time used by all of it, in nanoseconds; null where that is not known exactly. */
  cpuNs(): number | null {
    if (!this.#freezes || this.#trees.length > 0) return null
    let sum = 0
    for (const cgroup of this.#allCgroups()) {
      const used = cgroup.cpuNs()
      if (used === null) return null
      sum += used
    }
    return sum
  }

  /** Lets everything run, also what a dead helper left frozen. */
  async thaw(holdfs: Holdfs): Promise<void> {
    const cgroups = this.#allCgroups().flatMap((cgroup) => cgroup.cgroups)
    const pids = this.#trees.flatMap((tree) => tree.members().map(({ pid }) => pid))
    await thaw(holdfs, cgroups, pids)
  }

  /** Removes the cgroups that are empty; what still runs in others goes on, and the next watch freezes it with its own. */
  async close(): Promise<void> {
    await this.#forgetEnded()
    this.#attached = null
    this.#save()
  }

  async #adopt(): Promise<void> {
    const { cgroups, attached, trees } = loadWorkloadRecord(this.#folder)
    this.#cgroups = cgroups.map((places) => new CgroupFreezer(places))
    this.#attached = attached === null ? null : new CgroupFreezer({ freezer: attached, accounting: null })
    this.#trees = trees.map(({ mark, ...root }) => new ProcessTree(root, mark))
    await this.thaw(this.#deps.holdfs)
    this.#attached = null
    await this.#forgetEnded()
  }

  /** Freezes once, to find out now whether that is allowed. */
  async #attach(path: string): Promise<void> {
    this.#attached = CgroupFreezer.attach(path)
    this.#freezes = true
    const { cgroups, pids } = this.#attached
    try {
      await using _trial = await Freeze.take(this.#deps, { cgroups, pids })
    } catch (error) {
      throw new Failure('invalid-argument', `${path} cannot be frozen from here`, { path }, error)
    }
  }

  async #start(request: CommandRequest, method: FreezeMethod): Promise<void> {
    const mark = randomName(this.#deps.randomness)
    const cgroup = this.#makeCgroup(method, mark)
    this.#freezes ||= method !== 'none'
    if (cgroup) this.#cgroups.push(cgroup)
    this.#save()
    this.#command = await startCommand(request, { entrances: cgroup?.entrances ?? [], mark })
    if (cgroup || method === 'none') return
    const { pid } = this.#command
    this.#trees.push(new ProcessTree({ pid, startTicks: readProcess(pid)?.startTicks ?? 0 }, mark))
  }

  #makeCgroup(method: FreezeMethod, mark: string): CgroupFreezer | undefined {
    const hierarchy = findCgroupHierarchy(VERSIONS[method])
    // The last part of the folder is the workspace's name.
    if (hierarchy) return CgroupFreezer.create(hierarchy, `${basename(this.#folder)}-${mark.slice(0, 8)}`)
    if (method !== 'cgroup-v1' && method !== 'cgroup-v2') return undefined
    throw new Failure('unsupported-here', `this user cannot make cgroups here as ${method} needs`, { method })
  }

  #allCgroups(): CgroupFreezer[] {
    return this.#attached ? [...this.#cgroups, this.#attached] : this.#cgroups
  }

  async #forgetEnded(): Promise<void> {
    const kept: CgroupFreezer[] = []
    for (const cgroup of this.#cgroups) if (!(await cgroup.remove(this.#deps.clock))) kept.push(cgroup)
    this.#cgroups = kept
    this.#trees = this.#trees.filter((tree) => tree.members().length > 0)
  }

  #save(): void {
    saveWorkloadRecord(this.#folder, {
      cgroups: this.#cgroups.map(({ places }) => places),
      attached: this.#attached?.places.freezer ?? null,
      trees: this.#trees.map(({ root, mark }) => ({ ...root, mark })),
    })
  }
}

const VERSIONS: Readonly<Record<FreezeMethod, readonly (1 | 2)[]>> = {
  auto: [1, 2],
  'cgroup-v1': [1],
  'cgroup-v2': [2],
  signals: [],
  none: [],
}
