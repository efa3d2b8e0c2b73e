import { PackUploads } from '../commit/pack-uploads.ts'
import { type ChunkId, chunkIdToHex } from '../format/chunk-id.ts'
import type { FrameCoding } from '../format/frame.ts'
import { type BuiltPack, PackBuilder } from '../format/pack-builder.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { ChunkRole } from './chunk-graph.ts'
import { encodeRecordList } from './record-list.ts'

/** Records gathered into one pack, as plain bytes: each pack lists its own. */
const RECORD_PACK_BYTES = 8 << 20

/** A pack that is durable. */
export type WrittenPack = Omit<BuiltPack, 'parts'>

/**
 * Writes chunks into packs by what they are to a reader: trees together, content together, records together, so that
 * a walk or a restore touches few objects.
 */
export class ChunkWriter {
  readonly #trees: PackBuilder
  readonly #content: PackBuilder
  readonly #records: PackBuilder
  readonly #uploads: PackUploads
  #recordIds: string[] = []
  #recordBytes = 0

  constructor(deps: {
    readonly store: ObjectStore
    readonly coding: FrameCoding
    readonly nextName: () => string
  }) {
    this.#uploads = new PackUploads(deps.store)
    const options = { ...deps, onPack: (pack: BuiltPack) => void this.#uploads.put(pack) }
    this.#trees = new PackBuilder(options)
    this.#content = new PackBuilder(options)
    this.#records = new PackBuilder(options)
  }

  /** Adds a chunk once; its bytes are copied. */
  add(chunk: { readonly id: ChunkId; readonly role: ChunkRole }, bytes: Uint8Array, isDense: boolean): void {
    switch (chunk.role) {
      case 'root':
      case 'node':
      case 'list':
        this.#trees.add(chunk.id, bytes, 'tree')
        break
      case 'content':
        this.#content.add(chunk.id, bytes, isDense ? 'dense' : 'text')
        break
      case 'record':
        this.#addRecord(chunk.id, bytes)
        break
    }
  }

  /** Closes the last packs and resolves with all of them once they are durable; rejects as the store's `put` does. */
  async finish(): Promise<readonly WrittenPack[]> {
    this.#trees.finish()
    this.#content.finish()
    this.#finishRecords()
    await this.#uploads.durable()
    return this.#uploads.packs
  }

  #addRecord(id: ChunkId, bytes: Uint8Array): void {
    if (this.#recordBytes + bytes.length > RECORD_PACK_BYTES) this.#finishRecords()
    this.#records.add(id, bytes, 'tree')
    this.#recordIds.push(chunkIdToHex(id))
    this.#recordBytes += bytes.length
  }

  #finishRecords(): void {
    if (this.#recordIds.length > 0) this.#records.finish(encodeRecordList(this.#recordIds))
    this.#recordIds = []
    this.#recordBytes = 0
  }
}
