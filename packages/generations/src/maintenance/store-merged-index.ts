import { ChunkTable } from '../format/chunk-table.ts'
import { newIndexKey } from '../format/names.ts'
import type { HeldLease } from '../index/generation-index.ts'
import { encodeIndexObject } from '../read/index-object.ts'
import type { CurrentChunks } from '../read/load-chunk-index.ts'
import type { WrittenPack } from './chunk-writer.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import type { WorkspaceMark } from './mark-workspace.ts'
import { mergeTables } from './merge-tables.ts'

/** Index objects of a workspace: a reader fetches each. */
const BASE_OBJECTS_MAX = 8

/**
 * Stores a table of all deltas, of the packs just written and of those index objects that are at most twice as large, so
 * that the objects of a workspace grow in size from the newest to the oldest. Resolves with their keys, oldest first.
 */
export async function storeMergedIndex(
  deps: MaintenanceDeps,
  parts: {
    readonly lease: HeldLease
    readonly mark: WorkspaceMark
    readonly packs: readonly WrittenPack[]
  },
): Promise<readonly string[]> {
  const { tables, source, gone, condemned } = parts.mark.current
  const deltas = source.deltaPacks.flatMap((pack) => tables.get(pack.name) ?? [])
  const added = parts.packs.map((pack) => new ChunkTable(pack.table))
  let rows = [...deltas, ...added].reduce((sum, each) => sum + each.chunkCount, 0)
  const kept = [...source.baseObjects]
  const merged: ChunkTable[] = []
  const isWorn = hasWornTable(parts.mark.current)
  for (let newest = kept.at(-1); newest !== undefined; newest = kept.at(-1)) {
    const base = tables.get(newest)
    if (base && base.chunkCount > 2 * rows && kept.length < BASE_OBJECTS_MAX && !isWorn) break
    kept.pop()
    if (base) merged.unshift(base)
    rows += base?.chunkCount ?? 0
  }
  const bytes = mergeTables([...merged, ...deltas, ...added], { gone, doomed: condemned })
  const key = newIndexKey(parts.lease, deps.randomness)
  await deps.store.put(key, [encodeIndexObject(deps.coding, key, bytes)])
  return [...kept, key]
}

/** True for a workspace with an index object that mostly names packs which GC has deleted: merging it again pays. */
export function hasWornTable({ source, tables, gone }: CurrentChunks): boolean {
  return source.baseObjects.some((key) => {
    const table = tables.get(key)
    return table !== undefined && goneRows(table, gone) * 2 > table.chunkCount
  })
}

function goneRows(table: ChunkTable, gone: ReadonlySet<string>): number {
  if (table.packs.every((pack) => !gone.has(pack.name))) return 0
  let rows = 0
  for (let index = 0; index < table.chunkCount; index++)
    if (gone.has(table.packOf(table.frame(table.place(index).frame)).name)) rows++
  return rows
}
