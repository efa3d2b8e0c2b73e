import type { ChunkIndex } from '../format/chunk-index.ts'
import { ChunkTable } from '../format/chunk-table.ts'
import type { FrameCoding } from '../format/frame.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import type { ChunkIndexSource, GenerationIndex, HeldLease } from '../index/generation-index.ts'
import { type CurrentChunks, loadCurrentChunks, reliableChunks } from '../read/load-chunk-index.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** What a writer knows of the chunks that are stored, as of one value of the GC clock and one merged index. */
export class KnownChunks {
  readonly chunks: ChunkIndex
  readonly deadPacks: readonly string[]
  readonly #tables: Map<string, ChunkTable>
  #source: ChunkIndexSource

  private constructor(current: CurrentChunks) {
    this.chunks = reliableChunks(current)
    this.deadPacks = [...current.condemned, ...current.gone]
    this.#tables = new Map(current.tables)
    this.#source = current.source
  }

  /** Tables that `before` holds are not read again. */
  static async load(
    deps: { readonly store: ObjectStore; readonly index: GenerationIndex; readonly coding: FrameCoding },
    lease: HeldLease,
    before?: KnownChunks,
  ): Promise<KnownChunks> {
    return new KnownChunks(await loadCurrentChunks(deps, lease, before ? { known: before.#tables } : {}))
  }

  /** Where the chunks are, as a generation record names it. */
  get source(): ChunkIndexSource {
    return this.#source
  }

  /** True while no compaction has put another merged index in force. */
  isBasedOn({ baseObjects }: ChunkIndexSource): boolean {
    const own = this.#source.baseObjects
    return own.length === baseObjects.length && own.every((key, index) => key === baseObjects[index])
  }

  /** The encoded tables, for other threads. */
  get tables(): readonly Uint8Array[] {
    return [...this.#tables.values()].map(({ bytes }) => bytes)
  }

  /** Adds packs that hold, or that the next commit will name. */
  add(packs: readonly Omit<BuiltPack, 'parts'>[]): void {
    const added = packs.filter(({ name }) => !this.#tables.has(name))
    for (const { name, table } of added) {
      const parsed = new ChunkTable(table)
      this.#tables.set(name, parsed)
      this.chunks.addTable(parsed)
    }
    const rows = added.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }))
    this.#source = { ...this.#source, deltaPacks: [...this.#source.deltaPacks, ...rows] }
  }
}
