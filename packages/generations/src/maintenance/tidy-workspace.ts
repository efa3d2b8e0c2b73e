import type { HeldLease } from '../index/generation-index.ts'
import { ChunkGraph } from './chunk-graph.ts'
import { compactWorkspace } from './compact-workspace.ts'
import { COMPACTION_POLICY, type CompactionPolicy } from './compaction-plan.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import { RETENTION_POLICY, type RetentionPolicy } from './retention.ts'
import { thinHistory } from './thin-history.ts'

export interface TidyRequest {
  readonly lease: HeldLease
  /** Steps of compaction; each copies a bounded amount. */
  readonly stepsMax: number
  /** An empty one drops no generation. */
  readonly retention?: RetentionPolicy
  readonly compaction?: CompactionPolicy
  /** Kept from run to run, it saves reading the trees again. */
  readonly graph?: ChunkGraph
}

export interface Tidied {
  /** Ids of generations that retention no longer keeps. */
  readonly dropped: readonly string[]
  /** Packs whose live chunks were copied, and the packs and bytes these went into. */
  readonly packsRead: number
  readonly packsWritten: number
  readonly bytesWritten: number
  /** Steps that put a merged index in force. */
  readonly steps: number
  /** The bound on the steps left packs for the next run. */
  readonly more: boolean
}

/**
 * Thins a history and then merges its packs, beside commits under the same lease: what thinning lets go need not be
 * copied. Nothing is deleted; that is for garbage collection. Rejects as `compactWorkspace` does.
 */
export async function tidyWorkspace(deps: MaintenanceDeps, request: TidyRequest): Promise<Tidied> {
  const { lease, retention = RETENTION_POLICY, compaction = COMPACTION_POLICY } = request
  const graph = request.graph ?? new ChunkGraph()
  const dropped = await thinHistory(deps, lease, { wallMs: deps.clock.wallMs(), policy: retention })
  const sum = { packsRead: 0, packsWritten: 0, bytesWritten: 0, steps: 0, more: true }
  while (sum.more && sum.steps < request.stepsMax) {
    const outcome = await compactWorkspace(deps, { lease, graph, policy: compaction, always: true })
    if (outcome.kind === 'nothing') return { dropped, ...sum, more: false }
    sum.packsRead += outcome.packsRead
    sum.packsWritten += outcome.packsWritten
    sum.bytesWritten += outcome.bytesWritten
    sum.steps += 1
    sum.more = outcome.more
  }
  return { dropped, ...sum }
}
