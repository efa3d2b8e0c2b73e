import type { ChunkId } from '../format/chunk-id.ts'
import {
  type ChunkPlace,
  type ChunkTable,
  encodeChunkTable,
  type TableChunk,
  type TableFrame,
  type TablePack,
} from '../format/chunk-table.ts'

/** One row of a table under construction. */
interface Row {
  readonly pack: TablePack
  readonly frame: TableFrame
  readonly place: ChunkPlace
}

/**
 * One table for many, given oldest first: each chunk once, where the newest table has it. Rows of `gone` packs are left
 * out; a row of a `doomed` pack stands only where no other pack holds the chunk.
 */
export function mergeTables(
  tables: Iterable<ChunkTable>,
  leaving: { readonly gone: ReadonlySet<string>; readonly doomed: ReadonlySet<string> },
): Uint8Array {
  const rows = new Map<ChunkId, Row>()
  for (const table of tables) {
    for (let index = 0; index < table.chunkCount; index++) {
      const place = table.place(index)
      const frame = table.frame(place.frame)
      const pack = table.packOf(frame)
      if (leaving.gone.has(pack.name)) continue
      const id = table.id(index)
      const before = rows.get(id)
      const isWorse = before && leaving.doomed.has(pack.name) && !leaving.doomed.has(before.pack.name)
      if (!isWorse) rows.set(id, { pack, frame, place })
    }
  }
  return encodeRows(rows)
}

function encodeRows(rows: ReadonlyMap<ChunkId, Row>): Uint8Array {
  const packs = new Map<string, { readonly number: number; readonly pack: TablePack }>()
  const frames = new Map<string, { readonly number: number; readonly frame: TableFrame }>()
  const chunks: TableChunk[] = []
  for (const [id, { pack, frame, place }] of rows) {
    const inPack = packs.get(pack.name) ?? { number: packs.size, pack }
    packs.set(pack.name, inPack)
    const key = `${inPack.number}.${frame.ordinal}`
    const inFrame = frames.get(key) ?? { number: frames.size, frame: { ...frame, pack: inPack.number } }
    frames.set(key, inFrame)
    chunks.push({ id, frame: inFrame.number, offset: place.offset, bytes: place.bytes })
  }
  return encodeChunkTable({
    packs: [...packs.values()].map(({ pack }) => pack),
    frames: [...frames.values()].map(({ frame }) => frame),
    chunks,
  })
}
