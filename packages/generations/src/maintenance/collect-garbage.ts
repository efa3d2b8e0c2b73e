import { isFailure } from '@holdfast/base/failure'
import { ChunkGraph } from './chunk-graph.ts'
import { type DeletedPacks, deleteCondemned } from './delete-condemned.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import { markOrg } from './mark-org.ts'
import { deleteUnknownObjects, findUnknownObjects } from './unknown-objects.ts'

/** Longer than a commit may take from its first upload to its append, and than a restore may take. */
export const GC_GRACE_MS = 60 * 60_000

export interface GarbageRequest {
  readonly org: string
  readonly graceMs?: number
  /** False: returns once the garbage is condemned; a later run, after the grace, deletes it. */
  readonly wait?: boolean
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
 * What an earlier run condemned longer than the grace ago is finished first. Index objects and, if asked for, orphans
 * pass through the same grace and boundary. Rejects with the failure of the first chunk that cannot be read: what
 * cannot be followed may need any pack, so nothing is condemned or deleted then.
 */
export async function collectGarbage(
  deps: MaintenanceDeps,
  request: GarbageRequest,
): Promise<GarbageCollected> {
  const { org, graceMs = GC_GRACE_MS, graph = new ChunkGraph() } = request
  const overdue = await deleteOverdue(deps, { org, graceMs, graph })
  const live = await deps.index.packs(org, 'live')
  const { needed } = await markOrg(deps, org, graph)
  const unknown = await findUnknownObjects(deps, org, request.sweepOrphans ?? false)
  const garbage = live.map((pack) => pack.name).filter((name) => !needed.has(name))
  const left = await deps.index.packs(org, 'condemned')
  const pending = garbage.length + left.length + unknown.indexObjects.length + unknown.orphans.length
  const nothing = { condemned: 0, deletedIndexObjects: 0, deletedOrphans: 0, ...overdue }
  if (pending === 0 || (request.wait === false && garbage.length === 0)) return nothing
  await condemn(deps, org, garbage)
  if (request.wait === false) return { ...nothing, condemned: garbage.length }
  const due = await dueNow(deps, org)
  await deps.clock.sleep(graceMs)
  const deleted = await deleteAfterGrace(deps, { org, due, graph })
  const swept = await deleteUnknownObjects(deps, org, unknown)
  return { condemned: garbage.length, ...sumOf(overdue, deleted), ...swept }
}

interface Due {
  readonly packs: readonly CondemnedPack[]
  /** The GC clock: each of the packs was condemned at it or before. */
  readonly clock: number
}

type CondemnedPack = Awaited<ReturnType<MaintenanceDeps['index']['packs']>>[number]

/** The condemned packs first, then the clock: what another run condemns in between is not among them. */
async function dueNow(deps: MaintenanceDeps, org: string): Promise<Due> {
  const packs = await deps.index.packs(org, 'condemned')
  return { packs, clock: await deps.index.gcClock(org) }
}

/** Packs that a run condemned longer than the grace ago and did not come to delete. */
async function deleteOverdue(
  deps: MaintenanceDeps,
  { org, graceMs, graph }: { readonly org: string; readonly graceMs: number; readonly graph: ChunkGraph },
): Promise<DeletedPacks> {
  const before = deps.clock.wallMs() - graceMs
  const { packs, clock } = await dueNow(deps, org)
  const overdue = packs.filter(({ condemnedAt }) => (condemnedAt ?? 0) < before)
  if (overdue.length === 0) return NOTHING_DELETED
  return deleteAfterGrace(deps, { org, graph, due: { packs: overdue, clock } })
}

async function deleteAfterGrace(
  deps: MaintenanceDeps,
  { org, graph, due }: { readonly org: string; readonly graph: ChunkGraph; readonly due: Due },
): Promise<DeletedPacks> {
  await deps.index.advanceBoundary(org, due.clock)
  const condemned = await deps.index.packs(org, 'condemned')
  const times = new Map(condemned.map(({ name, condemnedAt }) => [name, condemnedAt]))
  const still = due.packs.filter(({ name, condemnedAt }) => times.get(name) === condemnedAt)
  const marked = await markOrg(deps, org, graph)
  return deleteCondemned(deps, org, { due: still, marked })
}

/** Moves the GC clock even if there is nothing to condemn: what is to be swept needs a boundary too. */
async function condemn(deps: MaintenanceDeps, org: string, garbage: readonly string[]): Promise<void> {
  for (let names = garbage; ; ) {
    try {
      await deps.index.condemnPacks(org, names, deps.clock.wallMs())
      return
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

function sumOf(one: DeletedPacks, other: DeletedPacks): DeletedPacks {
  return {
    deletedPacks: one.deletedPacks + other.deletedPacks,
    deletedBytes: one.deletedBytes + other.deletedBytes,
    reprieved: [...one.reprieved, ...other.reprieved],
    doubtful: [...new Set([...one.doubtful, ...other.doubtful])],
  }
}
