import { mkdirSync, rmSync, statfsSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { Failure } from '@holdfast/base/failure'
import { Holdfs } from '../holdfs/holdfs.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import { type DrillDeps, drillGeneration } from '../maintenance/drill-generation.ts'
import { retainedGenerations } from '../maintenance/mark-workspace.ts'
import { StoppableObjectStore } from '../store/stoppable-object-store.ts'
import type { Chore } from './chore.ts'
import type { MaintenancePolicy } from './maintenance-policy.ts'
import type { WatchDrill } from './watch-status.ts'

/** A drill is left out unless the disk has room for so many times the generation. */
const ROOM_FACTOR = 1.2
/** A drill takes at most one part in this many of the time. */
const TIME_SHARE = 50

export interface DrillChoreParts {
  readonly deps: Omit<DrillDeps, 'holdfs' | 'threads'>
  readonly org: string
  readonly workspace: string
  /** Where drills restore to, and nothing else is; absent when none runs. */
  readonly scratch: string
  /** Where the writers have the directory. */
  readonly mountPath: string
  readonly policy: Pick<MaintenancePolicy, 'drillEveryMs' | 'drillFirstMs'>
}

/**
 * Restores the newest generation of a watched directory now and then, and marks it as verified, as `hold dir drill` does.
 * It reads and writes with one thread and a native companion of its own, at the lowest priority: no commit waits for it.
 */
export class DrillChore implements Chore {
  readonly #parts: DrillChoreParts
  /** When the next drill is due once there is something new to drill, on the monotonic clock. */
  #nextAt: number
  #hasNew: boolean
  #lastDrill: WatchDrill | null = null

  private constructor(
    parts: DrillChoreParts,
    history: { readonly nextAt: number; readonly hasNew: boolean },
  ) {
    this.#parts = parts
    this.#nextAt = history.nextAt
    this.#hasNew = history.hasNew
  }

  static async open(parts: DrillChoreParts): Promise<DrillChore> {
    const { deps, policy, workspace, scratch } = parts
    rmSync(scratch, { recursive: true, force: true }) // of a watch that was killed while it drilled
    const retained = await retainedGenerations(deps.index, workspace)
    const verifiedAt = Math.max(...retained.map((row) => row.verifiedAt ?? Number.NEGATIVE_INFINITY))
    const ageMs = Math.max(0, deps.clock.wallMs() - verifiedAt)
    const waitMs = Number.isFinite(ageMs) ? policy.drillEveryMs - ageMs : policy.drillFirstMs
    const [head] = retained
    const hasNew = head !== undefined && head.verifiedAt === null
    return new DrillChore(parts, { nextAt: deps.clock.monotonicMs() + waitMs, hasNew })
  }

  /** How the last drill of this watch ended. */
  get lastDrill(): WatchDrill | null {
    return this.#lastDrill
  }

  /** Call after each commit. */
  noteCommit(): void {
    this.#hasNew = true
  }

  dueAt(): number {
    return this.#hasNew ? this.#nextAt : Number.POSITIVE_INFINITY
  }

  async run(signal: AbortSignal): Promise<void> {
    const { deps, policy, workspace } = this.#parts
    const { head } = await deps.index.workspace(workspace)
    const beganAt = deps.clock.monotonicMs()
    this.#hasNew = false
    try {
      if (head !== null) await this.#drill(await deps.index.generation(head), signal)
    } catch (error) {
      this.#hasNew = true
      throw error
    }
    const tookMs = deps.clock.monotonicMs() - beganAt
    this.#nextAt = deps.clock.monotonicMs() + Math.max(policy.drillEveryMs, tookMs * TIME_SHARE)
  }

  async #drill(generation: GenerationRow, signal: AbortSignal): Promise<void> {
    const { deps, org, scratch, mountPath } = this.#parts
    if (generation.verifiedAt !== null) return
    mkdirSync(scratch, { recursive: true, mode: 0o700 })
    using _scratch = { [Symbol.dispose]: () => rmSync(scratch, { recursive: true, force: true }) }
    refuseWithoutRoom(generation, scratch)
    await using holdfs = await Holdfs.start({ clock: deps.clock })
    setPriority(holdfs.pid, constants.priority.PRIORITY_LOW)
    const outcome = await drillGeneration(
      { ...deps, holdfs, threads: 1, store: new StoppableObjectStore(deps.store, signal) },
      { org, generation, scratch, mountPath },
    )
    const problem = outcome.kind === 'failed' ? outcome.problem : null
    if (problem !== null) await this.#refuseDropped(generation)
    const { id, sequence } = generation
    this.#lastDrill = { generation: id, sequence, problem, drilledAt: deps.clock.wallMs() }
  }

  /** What a drill says of a generation that retention dropped meanwhile is no verdict: a newer one is drilled. */
  async #refuseDropped({ id, sequence }: GenerationRow): Promise<void> {
    if ((await this.#parts.deps.index.generation(id)).retained) return
    throw new Failure('gc-expired', `generation ${sequence} was dropped while it was drilled`, { id })
  }
}

/** Rejects with `volume-full` unless a restore of the generation leaves room for others. */
export function refuseWithoutRoom(generation: Pick<GenerationRow, 'bytes' | 'sequence'>, path: string): void {
  const { bavail, bsize } = statfsSync(path)
  const freeBytes = bavail * bsize
  if (generation.bytes * ROOM_FACTOR <= freeBytes) return
  throw new Failure('volume-full', `no room to restore generation ${generation.sequence} for a drill`, {
    path,
    bytes: generation.bytes,
    freeBytes,
  })
}
