import { join } from 'node:path'
import type { CommittedGeneration } from '../commit/committer.ts'
import type { HeldLease } from '../index/generation-index.ts'
import { ChoreLoop } from './chore.ts'
import { CollectionChore } from './collection-chore.ts'
import { CompactionChore } from './compaction-chore.ts'
import { DrillChore } from './drill-chore.ts'
import type { DurableDirectory } from './durable-directory.ts'
import { MAINTENANCE_POLICY, type MaintenancePolicy } from './maintenance-policy.ts'
import type { RightOfWay } from './right-of-way.ts'
import type { MaintenanceStatus } from './watch-status.ts'

export interface WatchMaintenanceRequest {
  /** That of the watch: no other process writes the history meanwhile. */
  readonly lease: HeldLease
  /** Of its commits. */
  readonly rightOfWay: RightOfWay
  /** What differs from `MAINTENANCE_POLICY`. */
  readonly policy?: Partial<MaintenancePolicy>
  /** Where the writers have the directory; its own path when absent. */
  readonly mountPath?: string
  /** Called after each work of a chore, done or failed. */
  readonly onWork: () => void
}

interface Done<C> {
  readonly chore: C
  readonly loop: ChoreLoop
}

interface Chores {
  readonly compaction: Done<CompactionChore>
  readonly collection: Done<CollectionChore>
  readonly drill: Done<DrillChore>
}

/**
 * Keeps the history of a watch small and proven, beside its commits and under its lease: three chores, each by itself,
 * which stand still while a commit is under way. A merged index comes into force by compare-and-swap, without the packs
 * of commits that came in between; the committer finds it when it next asks the history. What a commit relies on in a
 * pack that was condemned in between is refused, and the commit is staged again.
 */
export class WatchMaintenance implements AsyncDisposable {
  readonly #chores: Chores
  readonly #opened: AsyncDisposable

  private constructor(chores: Chores, opened: AsyncDisposable) {
    this.#chores = chores
    this.#opened = opened
  }

  /** Begins at once. Rejects as reading the history does. */
  static async open(
    directory: DurableDirectory,
    request: WatchMaintenanceRequest,
  ): Promise<WatchMaintenance> {
    const { deps: ground, config, folder, store, index, coding, sealKey } = directory
    const { clock, randomness, home, isRoot } = ground
    const { org, workspace, path } = config
    const { lease, rightOfWay, onWork, mountPath = path } = request
    const giveWay = () => rightOfWay.giveWay()
    const policy = { ...MAINTENANCE_POLICY, ...request.policy }
    const deps = { store, index, coding, clock, randomness, sealKey, isRoot, giveWay }
    await using stack = new AsyncDisposableStack()
    const begin = <C extends ConstructorParameters<typeof ChoreLoop>[1]>(chore: C): Done<C> => {
      return { chore, loop: stack.use(new ChoreLoop(clock, chore, onWork)) }
    }
    const collecting = join(home.orgPath(org), 'collecting')
    const collection = begin(new CollectionChore({ deps, org, folder: collecting, policy }))
    const onGarbage = () => {
      collection.chore.noteGarbage()
      collection.loop.look()
    }
    const compaction = begin(await CompactionChore.open({ deps, lease, policy, onGarbage }))
    const scratch = join(folder, 'drills')
    const drill = begin(await DrillChore.open({ deps, org, workspace, scratch, mountPath, policy }))
    return new WatchMaintenance({ collection, compaction, drill }, stack.move())
  }

  /** Call after each commit. */
  noteCommit(generation: Pick<CommittedGeneration, 'newObjects'>): void {
    const { compaction, drill } = this.#chores
    compaction.chore.noteCommit(generation)
    compaction.loop.look()
    drill.chore.noteCommit()
    drill.loop.look()
  }

  get status(): MaintenanceStatus {
    const { compaction, collection, drill } = this.#chores
    const failures = [compaction, collection, drill].flatMap(({ loop }) => loop.lastFailure ?? [])
    return {
      lastCompactedAt: compaction.chore.lastCompactedAt,
      lastCollectedAt: collection.chore.lastCollectedAt,
      lastDrill: drill.chore.lastDrill,
      lastFailure: failures.sort((a, b) => b.metAt - a.metAt)[0] ?? null,
    }
  }

  /** Gives up what is under way; the next watch, or `hold dir gc`, takes it up. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
  }
}
