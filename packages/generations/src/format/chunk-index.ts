import type { ChunkId } from './chunk-id.ts'
import type { ChunkPlace, ChunkTable } from './chunk-table.ts'

export interface FoundChunk {
  readonly table: ChunkTable
  readonly place: ChunkPlace
}

/** Tables up to this many chunks are merged into one map: searching sixty small tables costs more than it saves. */
const SMALL_TABLE_CHUNKS_MAX = 4096

/** Every chunk that a workspace can read, over all its tables. */
export class ChunkIndex {
  readonly #large: ChunkTable[] = []
  readonly #small = new Map<ChunkId, FoundChunk>()
  readonly #dead: ReadonlySet<string>

  /** Chunks in `deadPacks` count as absent: GC has condemned them. */
  constructor(tables: readonly ChunkTable[], deadPacks: ReadonlySet<string> = new Set()) {
    this.#dead = deadPacks
    for (const table of tables) this.addTable(table)
  }

  addTable(table: ChunkTable): void {
    if (table.chunkCount > SMALL_TABLE_CHUNKS_MAX) {
      this.#large.push(table)
      return
    }
    for (let index = 0; index < table.chunkCount; index++) {
      const place = table.place(index)
      const id = table.id(index)
      if (this.#isAlive(table, place) || !this.#small.has(id)) this.#small.set(id, { table, place })
    }
  }

  find(id: ChunkId): FoundChunk | undefined {
    const small = this.#small.get(id)
    if (small && this.#isAlive(small.table, small.place)) return small
    for (const table of this.#large) {
      const place = table.find(id)
      if (place && this.#isAlive(table, place)) return { table, place }
    }
    return undefined
  }

  /** The name of the pack that holds a found chunk. */
  static packName(found: FoundChunk): string {
    return found.table.packOf(found.table.frame(found.place.frame)).name
  }

  #isAlive(table: ChunkTable, place: ChunkPlace): boolean {
    return this.#dead.size === 0 || !this.#dead.has(table.packOf(table.frame(place.frame)).name)
  }
}
