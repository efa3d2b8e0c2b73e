import { type ChunkId, chunkIdToHex } from '../format/chunk-id.ts'
import type { FrameCoding } from '../format/frame.ts'
import { type BuiltPack, PackBuilder } from '../format/pack-builder.ts'
import type { ChunkRole } from './chunk-graph.ts'
import { encodeRecordList } from './record-list.ts'

/** Records gathered into one pack, as plain bytes: each pack lists its own. */
const RECORD_PACK_BYTES = 8 << 20

/** What a pack of compaction holds. */
export type PackContents = 'trees' | 'content' | 'records'

/** A pack that is durable. */
export interface WrittenPack extends Omit<BuiltPack, 'parts'> {
  readonly holds: PackContents
}

/**
 * Writes chunks into packs by what they are to a reader: trees together, content together, records together, so that a
 * walk or a restore touches few objects.
 */
export class ChunkWriter {
  readonly #put: (pack: BuiltPack) => Promise<void>
  readonly #builders: Readonly<Record<PackContents, PackBuilder>>
  readonly #written: WrittenPack[] = []
  #puts: Promise<void>[] = []
  #recordIds: string[] = []
  #recordBytes = 0

  /** `put` stores a pack. */
  constructor(deps: {
    readonly coding: FrameCoding
    readonly nextName: () => string
    readonly put: (pack: BuiltPack) => Promise<void>
  }) {
    this.#put = deps.put
    const builder = (holds: PackContents) =>
      new PackBuilder({ ...deps, onPack: (pack) => this.#take(pack, holds) })
    this.#builders = { trees: builder('trees'), content: builder('content'), records: builder('records') }
  }

  /** Adds a chunk, which the caller adds once; its bytes are copied. */
  add(chunk: { readonly id: ChunkId; readonly role: ChunkRole }, bytes: Uint8Array, isDense: boolean): void {
    switch (chunk.role) {
      case 'root':
      case 'node':
      case 'list':
        this.#builders.trees.add(chunk.id, bytes, 'tree')
        break
      case 'content':
        this.#builders.content.add(chunk.id, bytes, isDense ? 'dense' : 'text')
        break
      case 'record':
        this.#addRecord(chunk.id, bytes)
        break
    }
  }

  /** Resolves when no full pack is on its way any more: what waits in memory is less than a pack of each kind. */
  async settled(): Promise<void> {
    const puts = this.#puts
    this.#puts = []
    for (const result of await Promise.allSettled(puts)) {
      if (result.status === 'rejected') throw result.reason
    }
  }

  /** Closes the last packs and resolves with all of them once they are stored; rejects as `put` does. */
  async finish(): Promise<readonly WrittenPack[]> {
    this.#builders.trees.finish()
    this.#builders.content.finish()
    this.#finishRecords()
    await this.settled()
    return this.#written
  }

  #take(pack: BuiltPack, holds: PackContents): void {
    const { parts: _parts, ...written } = pack
    this.#written.push({ ...written, holds })
    const put = this.#put(pack)
    put.catch(() => {})
    this.#puts.push(put)
  }

  #addRecord(id: ChunkId, bytes: Uint8Array): void {
    if (this.#recordBytes + bytes.length > RECORD_PACK_BYTES) this.#finishRecords()
    this.#builders.records.add(id, bytes, 'tree')
    this.#recordIds.push(chunkIdToHex(id))
    this.#recordBytes += bytes.length
  }

  #finishRecords(): void {
    if (this.#recordIds.length > 0) this.#builders.records.finish(encodeRecordList(this.#recordIds))
    this.#recordIds = []
    this.#recordBytes = 0
  }
}
