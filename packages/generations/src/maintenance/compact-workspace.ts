import { isFailure } from '@holdfast/base/failure'
import type { HeldLease, IndexReplacement } from '../index/generation-index.ts'
import { ChunkGraph } from './chunk-graph.ts'
import {
  COMPACTION_POLICY,
  type CompactionPolicy,
  compactionDueInMs,
  planCompaction,
  type WaitingPacks,
} from './compaction-plan.ts'
import { copyLiveChunks } from './copy-live-chunks.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import { markWorkspace } from './mark-workspace.ts'
import { packUses } from './pack-uses.ts'
import { hasWornTable, storeMergedIndex } from './store-merged-index.ts'

/** A replacement whose answer was lost is submitted again after each of these waits. */
const RESUBMIT_AFTER_MS = [50, 200, 800, 2000] as const

export interface CompactionRequest {
  readonly lease: HeldLease
  /** Kept from step to step, it saves reading the trees again. */
  readonly graph?: ChunkGraph
  readonly policy?: CompactionPolicy
  /** Looks for packs that are mostly dead even if few commits came since the last step. */
  readonly always?: boolean
}

export type CompactionOutcome =
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'compacted'
      /** Packs whose live chunks were copied, and the packs and bytes these went into. */
      readonly packsRead: number
      readonly packsWritten: number
      readonly bytesWritten: number
      /** The bound of one step left packs for the next one. */
      readonly more: boolean
    }

/**
 * One step of compaction, beside commits under the same lease: copies what is live in many small or mostly dead packs
 * into few, merges the chunk tables of commits into index objects, and puts these in force. No chunk that was found
 * before is lost: one that is not copied stays where it is until GC removes its pack, and a commit in between keeps
 * its own packs in the list of deltas. A step copies at most `stepBytesMax`, or one pack; the merged table costs
 * a logarithm of the number of chunks, amortised.
 *
 * Rejects with `lease-lost`, with `head-moved` when another compaction came in between, with `gc-expired` when GC has
 * moved on (the next step works from its result), and as reading and storing do.
 */
export async function compactWorkspace(
  deps: MaintenanceDeps,
  request: CompactionRequest,
): Promise<CompactionOutcome> {
  const { lease, policy = COMPACTION_POLICY } = request
  const gcSeen = await deps.index.gcClock(lease.org)
  if (!request.always) {
    const waiting = await waitingPacks(deps, lease.workspace, policy)
    if (compactionDueInMs(waiting, policy) > 0) return { kind: 'nothing' }
  }
  const mark = await markWorkspace(deps, lease, request.graph ?? new ChunkGraph())
  const { source } = mark.current
  const plan = planCompaction(await packUses(mark, lease), policy)
  if (plan.sources.length === 0 && source.deltaPacks.length === 0 && !hasWornTable(mark.current))
    return { kind: 'nothing' }
  const sources = new Set(plan.sources.map((pack) => pack.name))
  const packs = sources.size === 0 ? [] : await copyLiveChunks(deps, { lease, mark, sources })
  const baseObjects = await storeMergedIndex(deps, { lease, mark, packs })
  const newPacks = packs.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }))
  const covered = source.deltaPacks.map((pack) => pack.name)
  await replace(deps, lease, { replaces: source.baseObjects, baseObjects, newPacks, covered, gcSeen })
  return {
    kind: 'compacted',
    packsRead: sources.size,
    packsWritten: packs.length,
    bytesWritten: packs.reduce((sum, pack) => sum + pack.bytes, 0),
    more: plan.more,
  }
}

/** What a workspace has to merge. The age is that of the oldest pack which holds one of its newest records, else 0. */
export async function waitingPacks(
  deps: Pick<MaintenanceDeps, 'index' | 'clock'>,
  workspace: string,
  policy: CompactionPolicy,
): Promise<WaitingPacks> {
  const { deltaPacks } = await deps.index.chunkIndex(workspace)
  const names = new Set(deltaPacks.map((pack) => pack.name))
  const recent = await deps.index.history(workspace, { limit: policy.waitingPacksMax })
  const oldest = recent.findLast((row) => names.has(row.recordPack))
  const oldestAgeMs = oldest === undefined ? 0 : Math.max(0, deps.clock.wallMs() - oldest.createdAt)
  return { count: deltaPacks.length, oldestAgeMs }
}

/** Submits a replacement, again and unchanged while its outcome is unknown. */
async function replace(
  deps: MaintenanceDeps,
  lease: HeldLease,
  replacement: IndexReplacement,
): Promise<void> {
  for (const waitMs of RESUBMIT_AFTER_MS) {
    try {
      return await deps.index.replaceIndex(lease, replacement)
    } catch (error) {
      if (!isFailure(error, 'index-unavailable')) throw error
      await deps.clock.sleep(waitMs)
    }
  }
  await deps.index.replaceIndex(lease, replacement)
}
