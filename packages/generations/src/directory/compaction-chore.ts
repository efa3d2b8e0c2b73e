import type { HeldLease } from '../index/generation-index.ts'
import { ChunkGraph } from '../maintenance/chunk-graph.ts'
import { waitingPacks } from '../maintenance/compact-workspace.ts'
import { compactionDueInMs } from '../maintenance/compaction-plan.ts'
import type { MaintenanceDeps } from '../maintenance/maintenance-deps.ts'
import { tidyWorkspace } from '../maintenance/tidy-workspace.ts'
import { StoppableObjectStore } from '../store/stoppable-object-store.ts'
import type { Chore } from './chore.ts'
import type { MaintenancePolicy } from './maintenance-policy.ts'

/** A graph with more than this share of chunks that no generation reaches any more is begun anew. */
const GRAPH_GROWTH_MAX = 2
/** … unless it is as small as this. */
const GRAPH_CHUNKS_MIN = 50_000

export interface CompactionChoreParts {
  readonly deps: MaintenanceDeps
  readonly lease: HeldLease
  readonly policy: Pick<MaintenancePolicy, 'compaction' | 'retention'>
  /** Called when a run has left some. */
  readonly onGarbage: () => void
}

/**
 * Thins and merges the history of a watch: once enough packs wait, and when the newest generation comes to each age at
 * which retention thins, so that a history that grows no more is tidied to its end and then left alone.
 */
export class CompactionChore implements Chore {
  readonly #parts: CompactionChoreParts
  #waiting = 0
  /** All instants on the monotonic clock. */
  #oldestAt = 0
  #committedAt = Number.NEGATIVE_INFINITY
  #tidiedAt: number
  #hasMore = false
  #lastCompactedAt: number | null = null
  #graph = new ChunkGraph()
  #graphChunks = 0

  private constructor(parts: CompactionChoreParts) {
    this.#parts = parts
    this.#tidiedAt = parts.deps.clock.monotonicMs()
  }

  static async open(parts: CompactionChoreParts): Promise<CompactionChore> {
    const chore = new CompactionChore(parts)
    await chore.#count()
    return chore
  }

  /** When this watch last put a merged index in force, milliseconds since 1970. */
  get lastCompactedAt(): number | null {
    return this.#lastCompactedAt
  }

  /** Call after each commit. */
  noteCommit({ newObjects }: { readonly newObjects: number }): void {
    this.#committedAt = this.#parts.deps.clock.monotonicMs()
    if (this.#waiting === 0) this.#oldestAt = this.#committedAt
    this.#waiting += newObjects
  }

  dueAt(): number {
    if (this.#hasMore) return Number.NEGATIVE_INFINITY
    return Math.min(this.#mergeAt(), this.#thinAt())
  }

  async run(signal: AbortSignal): Promise<void> {
    const { deps, lease, policy, onGarbage } = this.#parts
    const beganAt = deps.clock.monotonicMs()
    const tidied = await tidyWorkspace(
      { ...deps, store: new StoppableObjectStore(deps.store, signal) },
      { lease, stepsMax: 1, graph: this.#graph, ...policy },
    )
    this.#boundGraph()
    this.#hasMore = tidied.more
    this.#tidiedAt = beganAt
    await this.#count()
    if (tidied.steps > 0) this.#lastCompactedAt = deps.clock.wallMs()
    if (tidied.steps + tidied.dropped.length > 0) onGarbage()
  }

  #mergeAt(): number {
    const now = this.#parts.deps.clock.monotonicMs()
    const waiting = { count: this.#waiting, oldestAgeMs: now - this.#oldestAt }
    return now + compactionDueInMs(waiting, this.#parts.policy.compaction)
  }

  /** When the newest generation comes to the next age at which generations are thinned. */
  #thinAt(): number {
    const instants = this.#parts.policy.retention.map(({ fromMs }) => this.#committedAt + fromMs)
    return Math.min(...instants.filter((at) => at > this.#tidiedAt), Number.POSITIVE_INFINITY)
  }

  async #count(): Promise<void> {
    const { deps, lease, policy } = this.#parts
    const { count, oldestAgeMs } = await waitingPacks(deps, lease.workspace, policy.compaction)
    this.#waiting = count
    this.#oldestAt = deps.clock.monotonicMs() - oldestAgeMs
  }

  /** Chunks of generations that were dropped stay in a graph for ever. */
  #boundGraph(): void {
    const { size } = this.#graph
    if (this.#graphChunks === 0) this.#graphChunks = size
    if (size < GRAPH_CHUNKS_MIN || size < GRAPH_GROWTH_MAX * this.#graphChunks) return
    this.#graph = new ChunkGraph()
    this.#graphChunks = 0
  }
}
