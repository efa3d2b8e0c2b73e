import { isFailure } from '@holdfast/base/failure'
import { ChunkGraph } from './chunk-graph.ts'
import { type DeletedPacks, deleteCondemned } from './delete-condemned.ts'
import { type MaintenanceDeps, reach } from './maintenance-deps.ts'
import { markOrg } from './mark-org.ts'
import { deleteUnknownObjects, findUnknownObjects } from './unknown-objects.ts'

/** Longer than a commit may take from its first upload to its append, and than a restore may take. */
export const GC_GRACE_MS = 60 * 60_000

export interface GarbageRequest {
  readonly org: string
  readonly graceMs?: number
  /** Also removes packs that no index row knows, from commits that never came about: lists the whole org. */
  readonly sweepOrphans?: boolean
  readonly graph?: ChunkGraph
}

export interface GarbageCollected extends DeletedPacks {
  readonly condemned: number
  /** Index objects that no workspace names any more. */
  readonly deletedIndexObjects: number
  readonly deletedOrphans: number
}

/**
 * Removes what no retained generation of an org needs, beside its writers and readers:
 *
 *     mark       walk every retained generation of every workspace; packs in which nothing is found → condemned,
 *                in one transaction that moves the GC clock: writers stop relying on them
 *     grace      readers that found chunks there come to their end
 *     boundary   writers that saw an older clock must begin again: no new reference can appear
 *     check      walk again, and read the pack's own footer: needed after all → live, in doubt → left as it is
 *     delete     objects first, then their rows: a crash in between is picked up by the next run
 *
 * Index objects and, if asked for, orphans pass through the same grace and boundary. Rejects with the failure of the
 * first chunk that cannot be read: what cannot be followed may need any pack, so nothing is condemned or deleted then.
 */
export async function collectGarbage(
  deps: MaintenanceDeps,
  request: GarbageRequest,
): Promise<GarbageCollected> {
  const { org } = request
  const graph = request.graph ?? new ChunkGraph()
  const live = await deps.index.packs(org, 'live')
  const { needed } = await markOrg(deps, org, graph)
  const unknown = await findUnknownObjects(deps, org, request.sweepOrphans ?? false)
  await reach(deps, 'gc.marked')
  const garbage = live.map((pack) => pack.name).filter((name) => !needed.has(name))
  const left = await deps.index.packs(org, 'condemned')
  if (garbage.length + left.length + unknown.indexObjects.length + unknown.orphans.length === 0)
    return { condemned: 0, deletedIndexObjects: 0, deletedOrphans: 0, ...NOTHING_DELETED }
  const clock = await condemn(deps, org, garbage)
  await reach(deps, 'gc.condemned')
  await deps.clock.sleep(request.graceMs ?? GC_GRACE_MS)
  await deps.index.advanceBoundary(org, clock)
  await reach(deps, 'gc.boundary')
  const due = await deps.index.packs(org, 'condemned')
  const marked = await markOrg(deps, org, graph)
  await reach(deps, 'gc.checked')
  const deleted = await deleteCondemned(deps, org, { due, marked })
  const swept = await deleteUnknownObjects(deps, org, unknown)
  await reach(deps, 'gc.swept')
  return { condemned: garbage.length, ...deleted, ...swept }
}

/** Moves the GC clock even if there is nothing to condemn: what is to be swept needs a boundary too. */
async function condemn(deps: MaintenanceDeps, org: string, garbage: readonly string[]): Promise<number> {
  for (let names = garbage; ; ) {
    try {
      return await deps.index.condemnPacks(org, names, deps.clock.wallMs())
    } catch (error) {
      if (!isFailure(error, 'invalid-argument') || names.length === 0) throw error
      // Another run condemned some of them first.
      const live = new Set((await deps.index.packs(org, 'live')).map((pack) => pack.name))
      const still = names.filter((name) => live.has(name))
      if (still.length === names.length) throw error
      names = still
    }
  }
}

const NOTHING_DELETED: DeletedPacks = {
  deletedPacks: 0,
  deletedBytes: 0,
  reprieved: [],
  doubtful: [],
}
