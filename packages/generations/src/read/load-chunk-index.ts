import { ChunkIndex } from '../format/chunk-index.ts'
import type { ChunkTable } from '../format/chunk-table.ts'
import type { FrameCoding } from '../format/frame.ts'
import type { ChunkIndexSource } from '../index/generation-index.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { readIndexObject } from './index-object.ts'
import { readPackEnd } from './pack-reader.ts'

/** Footers fetched at once. */
const PARALLEL_READS = 16

/** Reads the tables that a workspace's chunks are found by, newest last. */
export async function loadChunkTables(
  deps: { readonly store: ObjectStore; readonly coding: FrameCoding },
  source: ChunkIndexSource,
): Promise<ChunkTable[]> {
  const tables: ChunkTable[] = []
  for (const key of source.baseObjects) tables.push(await readIndexObject(deps, key))
  for (let start = 0; start < source.deltaPacks.length; start += PARALLEL_READS) {
    const packs = source.deltaPacks.slice(start, start + PARALLEL_READS)
    const ends = await Promise.all(packs.map((pack) => readPackEnd(deps, pack)))
    for (const { table } of ends) tables.push(table)
  }
  return tables
}

export async function loadChunkIndex(
  deps: { readonly store: ObjectStore; readonly coding: FrameCoding },
  source: ChunkIndexSource,
  deadPacks?: ReadonlySet<string>,
): Promise<ChunkIndex> {
  return new ChunkIndex(await loadChunkTables(deps, source), deadPacks)
}
