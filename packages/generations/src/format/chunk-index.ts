import type { ChunkId } from './chunk-id.ts'
import type { ChunkPlace, ChunkTable } from './chunk-table.ts'

export interface FoundChunk {
  readonly table: ChunkTable
  readonly place: ChunkPlace
}

/** Packs of the tables that GC has condemned or deleted. */
export interface LeavingPacks {
  /** A chunk in one of these counts as absent. */
  readonly dead?: ReadonlySet<string>
  /** A chunk is found in one of these only where no other pack holds it. */
  readonly doomed?: ReadonlySet<string>
}

/** Tables up to this many chunks are merged into one map: searching sixty small tables costs more than it saves. */
const SMALL_TABLE_CHUNKS_MAX = 4096

const DEAD = 0
const DOOMED = 1
const ALIVE = 2

/** Every chunk that a workspace can read, over all its tables. Where several packs hold one, the newest table's counts. */
export class ChunkIndex {
  /** Newest first. */
  readonly #large: ChunkTable[] = []
  readonly #small = new Map<ChunkId, FoundChunk>()
  readonly #dead: ReadonlySet<string>
  readonly #doomed: ReadonlySet<string>

  /** `tables`: oldest first. */
  constructor(tables: Iterable<ChunkTable>, leaving: LeavingPacks = {}) {
    this.#dead = leaving.dead ?? new Set()
    this.#doomed = leaving.doomed ?? new Set()
    for (const table of tables) this.addTable(table)
  }

  addTable(table: ChunkTable): void {
    if (table.chunkCount > SMALL_TABLE_CHUNKS_MAX) {
      this.#large.unshift(table)
      return
    }
    for (let index = 0; index < table.chunkCount; index++) {
      const found = { table, place: table.place(index) }
      const id = table.id(index)
      const before = this.#small.get(id)
      if (before === undefined || this.#rank(found) >= this.#rank(before)) this.#small.set(id, found)
    }
  }

  /** `near`: the table to look into first, where any live copy will do: what lies together is found together. */
  find(id: ChunkId, near?: ChunkTable): FoundChunk | undefined {
    const place = near?.find(id)
    if (near && place && this.#rank({ table: near, place }) === ALIVE) return { table: near, place }
    const small = this.#small.get(id)
    let rank = small ? this.#rank(small) : DEAD
    let best = rank === DEAD ? undefined : small
    for (const table of this.#large) {
      if (rank === ALIVE) break
      const place = table.find(id)
      const found = place && { table, place }
      if (found === undefined || this.#rank(found) <= rank) continue
      best = found
      rank = this.#rank(found)
    }
    return best
  }

  /** The name of the pack that holds a found chunk. */
  static packName(found: FoundChunk): string {
    return found.table.packOf(found.table.frame(found.place.frame)).name
  }

  #rank(found: FoundChunk): number {
    if (this.#dead.size === 0 && this.#doomed.size === 0) return ALIVE
    const name = ChunkIndex.packName(found)
    return this.#dead.has(name) ? DEAD : this.#doomed.has(name) ? DOOMED : ALIVE
  }
}
