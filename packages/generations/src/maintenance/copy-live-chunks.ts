import { type ChunkId, chunkIdFromHex, chunkIdOf, chunkIdToHex } from '../format/chunk-id.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import { newPackName, packKey } from '../format/names.ts'
import type { HeldLease, PackRow } from '../index/generation-index.ts'
import type { ChunkRole } from './chunk-graph.ts'
import { ChunkWriter, type WrittenPack } from './chunk-writer.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import { placeOf, type WorkspaceMark } from './mark-workspace.ts'
import { OpenPack } from './open-pack.ts'
import { Turns } from './turns.ts'

/** Source packs fetched at once. */
const PARALLEL_READS = 8

export interface Copying {
  readonly lease: HeldLease
  readonly mark: WorkspaceMark
  readonly sources: ReadonlySet<string>
}

interface CopiedChunk {
  readonly id: ChunkId
  readonly role: ChunkRole
  bytes: Uint8Array
  isDense: boolean
}

/**
 * Copies the live chunks of the source packs into new packs, in the order of the newest tree, and with them the records
 * of retained generations. Holds what it copies in memory. Resolves when the new packs are durable.
 */
export async function copyLiveChunks(
  deps: MaintenanceDeps,
  copying: Copying,
): Promise<readonly WrittenPack[]> {
  const { lease, mark, sources } = copying
  const moving: CopiedChunk[] = []
  const byPack = new Map<string, CopiedChunk[]>([...sources].map((name) => [name, []]))
  const met = new Set<ChunkId>()
  const visits = Turns.ofChunks(deps.giveWay)
  for (const { id, role } of mark.reached) {
    if (visits.isOver()) await visits.pass()
    const chunks = byPack.get(ChunkIndex.packName(placeOf(mark, id)))
    if (chunks === undefined || met.has(id)) continue
    met.add(id)
    const copied = { id, role, bytes: new Uint8Array(0), isDense: false }
    moving.push(copied)
    chunks.push(copied)
  }
  const records = await readSources(deps, copying, byPack)
  const writer = new ChunkWriter({
    coding: deps.coding,
    nextName: () => newPackName(lease, deps.randomness),
    put: (pack) => deps.store.put(packKey(pack.name), pack.parts),
  })
  const turns = Turns.ofBytes(deps.giveWay)
  for (const { bytes, isDense, ...chunk } of moving) {
    writer.add(chunk, bytes, isDense)
    if (turns.isOver(bytes.length)) await turns.pass()
  }
  for (const record of records) writer.add({ id: chunkIdOf(record), role: 'record' }, record, false)
  return writer.finish()
}

/** Fills in the chunks of each pack, and returns the records of retained generations that stand at the packs' ends. */
async function readSources(
  deps: MaintenanceDeps,
  { mark }: Copying,
  byPack: ReadonlyMap<string, readonly CopiedChunk[]>,
): Promise<readonly Uint8Array[]> {
  const rows = rowsByName(mark)
  const unmoved = new Set(
    mark.retained
      .filter((row) => mark.chunks.index.find(chunkIdFromHex(row.id)) === undefined)
      .map((row) => row.id),
  )
  const records: Uint8Array[] = []
  const packs = [...byPack]
  const turns = Turns.ofBytes(deps.giveWay)
  for (let start = 0; start < packs.length; start += PARALLEL_READS) {
    const group = packs.slice(start, start + PARALLEL_READS)
    const opened = await Promise.all(group.map(([name]) => OpenPack.get(deps, rowOf(rows, name))))
    for (const [index, pack] of opened.entries()) {
      for (const chunk of inPackOrder(pack, group[index]?.[1] ?? [])) {
        const { bytes, isDense } = pack.chunk(chunk.id)
        chunk.bytes = Buffer.from(bytes)
        chunk.isDense = isDense
        if (turns.isOver(bytes.length)) await turns.pass()
      }
      const { record } = pack.end
      if (record && unmoved.has(chunkIdToHex(chunkIdOf(record)))) records.push(record)
    }
  }
  return records
}

/** So that each frame is decoded once. */
function inPackOrder(pack: OpenPack, chunks: readonly CopiedChunk[]): readonly CopiedChunk[] {
  const frameOf = ({ id }: CopiedChunk) => pack.end.table.find(id)?.frame ?? 0
  return [...chunks].sort((a, b) => frameOf(a) - frameOf(b))
}

function rowsByName(mark: WorkspaceMark): ReadonlyMap<string, PackRow> {
  const rows = [...mark.current.tables.values()].flatMap((table) => table.packs)
  return new Map(rows.map((row) => [row.name, row]))
}

function rowOf(rows: ReadonlyMap<string, PackRow>, name: string): PackRow {
  const row = rows.get(name)
  if (row === undefined) throw new Error(`no table names ${name}`)
  return row
}
