import { type Failure, isFailure } from '@holdfast/base/failure'
import { ChunkIndex } from '../format/chunk-index.ts'
import { ChunkTable, type TablePack } from '../format/chunk-table.ts'
import type { FrameCoding } from '../format/frame.ts'
import { isIndexKey } from '../format/names.ts'
import type { ChunkIndexSource, GenerationIndex } from '../index/generation-index.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { readIndexObject } from './index-object.ts'
import { readPackEnd } from './pack-reader.ts'

/** Footers fetched at once. */
const PARALLEL_READS = 16
/** How often the index may move on while its objects are read. */
const LOAD_ATTEMPTS_MAX = 5

/** Tables by the key of their index object or the name of their pack, oldest first. */
export type NamedTables = ReadonlyMap<string, ChunkTable>

interface StoreDeps {
  readonly store: ObjectStore
  readonly coding: FrameCoding
}

/** Where the chunks of a workspace are, with what GC has done to the packs that its tables name. */
export interface CurrentChunks {
  readonly source: ChunkIndexSource
  readonly tables: NamedTables
  /** Condemned: still readable, and no writer may rely on them. */
  readonly condemned: ReadonlySet<string>
  /** Deleted, or never committed. */
  readonly gone: ReadonlySet<string>
}

export interface LoadOptions {
  /** Tables that are not read again. */
  readonly known?: NamedTables
  /**
   * Takes the tables that are missing or damaged, so that what other tables hold can still be read; absent: the first
   * one is a failure.
   */
  readonly onUnreadable?: (name: string, failure: Failure) => void
}

/**
 * Reads a workspace's tables as its index names them now; that of a condemned pack may be gone already. Rejects with
 * `object-missing` for another table that the index still names, and as `readIndexObject` and `readPackEnd` do.
 */
export async function loadCurrentChunks(
  deps: StoreDeps & { readonly index: GenerationIndex },
  workspace: { readonly org: string; readonly workspace: string },
  options: LoadOptions = {},
): Promise<CurrentChunks> {
  for (let attempt = 1; ; attempt++) {
    const source = await deps.index.chunkIndex(workspace.workspace)
    const { tables, unreadable } = await loadChunkTables(deps, source, options.known ?? new Map())
    if (unreadable.size > 0 && attempt < LOAD_ATTEMPTS_MAX) {
      if (!isSameSource(source, await deps.index.chunkIndex(workspace.workspace))) continue
    }
    const standing = await standingOf(deps.index, workspace.org, { tables, unreadable })
    for (const [name, failure] of unreadable) {
      if (standing.condemned.has(name) || standing.gone.has(name)) continue
      if (options.onUnreadable === undefined) throw failure
      options.onUnreadable(name, failure)
    }
    return { source, tables, ...standing }
  }
}

/** The chunks of a source as a generation record names it. Rejects as `readIndexObject` and `readPackEnd` do. */
export async function loadChunkIndex(deps: StoreDeps, source: ChunkIndexSource): Promise<ChunkIndex> {
  const { tables, unreadable } = await loadChunkTables(deps, source, new Map())
  for (const failure of unreadable.values()) throw failure
  return new ChunkIndex(tables.values())
}

/** Every chunk that a reader of the workspace may read: in condemned packs only where no other pack holds it. */
export function readableChunks({ tables, condemned, gone }: CurrentChunks): ChunkIndex {
  return new ChunkIndex(tables.values(), { dead: gone, doomed: condemned })
}

/** Every chunk that a writer may rely on: those in live packs. */
export function reliableChunks({ tables, condemned, gone }: CurrentChunks): ChunkIndex {
  return new ChunkIndex(tables.values(), { dead: new Set([...condemned, ...gone]) })
}

interface LoadedTables {
  readonly tables: NamedTables
  /** Tables that are missing or damaged. */
  readonly unreadable: ReadonlyMap<string, Failure>
}

async function standingOf(
  index: GenerationIndex,
  org: string,
  { tables, unreadable }: LoadedTables,
): Promise<Pick<CurrentChunks, 'condemned' | 'gone'>> {
  const gone = new Set([...tables.values()].flatMap((table) => table.packs.map((pack) => pack.name)))
  for (const name of unreadable.keys()) if (!isIndexKey(name)) gone.add(name)
  for (const { name } of await index.packs(org, 'live')) gone.delete(name)
  const condemned = (await index.packs(org, 'condemned'))
    .map((pack) => pack.name)
    .filter((name) => gone.has(name))
  for (const name of condemned) gone.delete(name)
  return { condemned: new Set(condemned), gone }
}

async function loadChunkTables(
  deps: StoreDeps,
  source: ChunkIndexSource,
  known: NamedTables,
): Promise<LoadedTables> {
  const tables = new Map<string, ChunkTable>()
  const unreadable = new Map<string, Failure>()
  const load = async (name: string, read: () => Promise<ChunkTable>) => {
    try {
      return known.get(name) ?? (await read())
    } catch (error) {
      if (!isDamage(error)) throw error
      unreadable.set(name, error)
      return undefined
    }
  }
  for (const key of source.baseObjects) {
    const table = await load(key, () => readIndexObject(deps, key))
    if (table) tables.set(key, table)
  }
  for (let start = 0; start < source.deltaPacks.length; start += PARALLEL_READS) {
    const packs = source.deltaPacks.slice(start, start + PARALLEL_READS)
    const read = await Promise.all(packs.map((pack) => load(pack.name, () => readPackTable(deps, pack))))
    packs.forEach(({ name }, index) => {
      const table = read[index]
      if (table) tables.set(name, table)
    })
  }
  return { tables, unreadable }
}

/** True for a failure that is about stored bytes: neither about the key, nor about the store's answer. */
function isDamage(error: unknown): error is Failure {
  return isFailure(error, 'object-missing', 'object-corrupt', 'foreign-format', 'version-unknown')
}

async function readPackTable(deps: StoreDeps, pack: TablePack): Promise<ChunkTable> {
  return new ChunkTable((await readPackEnd(deps, pack)).table.bytes, pack)
}

function isSameSource(left: ChunkIndexSource, right: ChunkIndexSource): boolean {
  const names = ({ baseObjects, deltaPacks }: ChunkIndexSource) =>
    JSON.stringify([baseObjects, deltaPacks.map((pack) => pack.name)])
  return names(left) === names(right)
}
