import type { ChunkTable } from '../format/chunk-table.ts'

/** A merged table with its rows by pack, to be held against the packs' own tables. */
export class PlacedRows {
  readonly table: ChunkTable
  readonly #rows = new Map<string, number[]>()

  constructor(table: ChunkTable) {
    this.table = table
    for (let row = 0; row < table.chunkCount; row++) {
      const pack = table.packOf(table.frame(table.place(row).frame)).name
      const rows = this.#rows.get(pack)
      if (rows) rows.push(row)
      else this.#rows.set(pack, [row])
    }
  }

  /** True if every row about `pack` stands in the pack's own table too. */
  agreesWith(own: ChunkTable, pack: string): boolean {
    return (this.#rows.get(pack) ?? []).every((row) => this.#isIn(own, row))
  }

  #isIn(own: ChunkTable, row: number): boolean {
    const here = this.table.place(row)
    const there = own.find(this.table.id(row))
    if (there === undefined || there.offset !== here.offset || there.bytes !== here.bytes) return false
    const merged = this.table.frame(here.frame)
    const frame = own.frame(there.frame)
    return (
      frame.offset === merged.offset &&
      frame.storedBytes === merged.storedBytes &&
      frame.rawBytes === merged.rawBytes &&
      frame.codec === merged.codec &&
      frame.ordinal === merged.ordinal &&
      frame.crc32 === merged.crc32
    )
  }
}
