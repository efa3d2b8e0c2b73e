import { ChunkIndex } from '../format/chunk-index.ts'
import { ChunkTable } from '../format/chunk-table.ts'
import type { FrameCoding } from '../format/frame.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import type { ChunkIndexSource, GenerationIndex, HeldLease } from '../index/generation-index.ts'
import { loadChunkTables } from '../read/load-chunk-index.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** What a writer knows of the chunks that are stored, as of one value of the GC clock. */
export class KnownChunks {
  readonly chunks: ChunkIndex
  readonly deadPacks: readonly string[]
  readonly #tables: ChunkTable[]
  #source: ChunkIndexSource

  private constructor(tables: ChunkTable[], source: ChunkIndexSource, deadPacks: readonly string[]) {
    this.chunks = new ChunkIndex(tables, new Set(deadPacks))
    this.deadPacks = deadPacks
    this.#tables = tables
    this.#source = source
  }

  static async load(
    deps: { readonly store: ObjectStore; readonly index: GenerationIndex; readonly coding: FrameCoding },
    lease: HeldLease,
  ): Promise<KnownChunks> {
    const source = await deps.index.chunkIndex(lease.workspace)
    const dead = await deps.index.packs(lease.org, 'condemned')
    return new KnownChunks(
      await loadChunkTables(deps, source),
      source,
      dead.map(({ name }) => name),
    )
  }

  /** Where the chunks are, as a generation record names it. */
  get source(): ChunkIndexSource {
    return this.#source
  }

  /** The encoded tables, for other threads. */
  get tables(): readonly Uint8Array[] {
    return this.#tables.map(({ bytes }) => bytes)
  }

  /** Adds the packs of a commit that holds. */
  add(packs: readonly Omit<BuiltPack, 'parts'>[]): void {
    for (const { table } of packs) {
      const parsed = new ChunkTable(table)
      this.#tables.push(parsed)
      this.chunks.addTable(parsed)
    }
    const rows = packs.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }))
    this.#source = { ...this.#source, deltaPacks: [...this.#source.deltaPacks, ...rows] }
  }
}
