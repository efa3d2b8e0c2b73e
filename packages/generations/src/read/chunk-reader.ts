import { Failure } from '@holdfast/base/failure'
import { type ChunkId, chunkIdOf, chunkIdToHex } from '../format/chunk-id.ts'
import type { ChunkIndex, FoundChunk } from '../format/chunk-index.ts'
import type { ChunkTable, TableFrame } from '../format/chunk-table.ts'
import { type Content, contentBytes, type Part } from '../format/content.ts'
import { decodeContentList } from '../format/content-list.ts'
import { decodeFrame, type FrameCoding } from '../format/frame.ts'
import { packKey } from '../format/names.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** Decoded frames kept for the next chunk of the same frame. */
const CACHE_BYTES_MAX = 64 << 20

/** Reads single chunks from the store and proves each against its id. */
export class ChunkReader {
  readonly #store: ObjectStore
  readonly #coding: FrameCoding
  readonly #index: ChunkIndex
  readonly #frames = new Map<string, Promise<Uint8Array>>()
  #cachedBytes = 0
  /** Where the last chunk was found. */
  #near: ChunkTable | undefined

  constructor(deps: {
    readonly store: ObjectStore
    readonly coding: FrameCoding
    readonly index: ChunkIndex
  }) {
    this.#store = deps.store
    this.#coding = deps.coding
    this.#index = deps.index
  }

  /** Where a chunk is. Rejects with `chunk-missing`. */
  locate(id: ChunkId): FoundChunk {
    const found = this.#index.find(id, this.#near)
    this.#near = found?.table
    if (found) return found
    throw new Failure('chunk-missing', `no pack holds chunk ${chunkIdToHex(id)}`, { chunk: chunkIdToHex(id) })
  }

  /** The chunk's bytes. Rejects with `chunk-missing`, `chunk-corrupt`, or as the store's `get` does. */
  async read(id: ChunkId): Promise<Uint8Array> {
    const { table, place } = this.locate(id)
    const frame = table.frame(place.frame)
    const raw = await this.#frame(table.packOf(frame).name, frame)
    const bytes = raw.subarray(place.offset, place.offset + place.bytes)
    proveChunk(id, bytes)
    return bytes
  }

  /** The parts of a content with its lists resolved: chunks and holes only. */
  async flatten(content: Content): Promise<Content> {
    if (content.every((part) => part.kind !== 'list')) return content
    const flat = await Promise.all(
      content.map(async (part) =>
        part.kind === 'list' ? decodeContentList(await this.read(part.id), part.bytes) : [part],
      ),
    )
    return flat.flat()
  }

  /** A whole content in memory. Rejects with `invalid-argument` above `bytesMax`. */
  async readContent(content: Content, bytesMax: number): Promise<Buffer> {
    const bytes = contentBytes(content)
    if (bytes > bytesMax) throw new Failure('invalid-argument', `${bytes} bytes are more than ${bytesMax}`)
    const whole = Buffer.alloc(bytes)
    let position = 0
    for (const part of await this.flatten(content)) {
      if (part.kind === 'chunk') {
        checkLength(part, this.locate(part.id).place.bytes)
        whole.set(await this.read(part.id), position)
      }
      position += part.bytes
    }
    return whole
  }

  async #frame(pack: string, frame: TableFrame): Promise<Uint8Array> {
    const key = `${pack}#${frame.ordinal}`
    const cached = this.#frames.get(key)
    if (cached !== undefined) return cached
    const loading = this.#load(pack, frame)
    loading.catch(() => this.#frames.delete(key))
    this.#frames.set(key, loading)
    this.#cachedBytes += frame.rawBytes
    if (this.#cachedBytes > CACHE_BYTES_MAX) {
      this.#frames.clear()
      this.#cachedBytes = 0
    }
    return loading
  }

  async #load(pack: string, frame: TableFrame): Promise<Uint8Array> {
    const stored = await this.#store.get(packKey(pack), { offset: frame.offset, length: frame.storedBytes })
    return decodeFrame(this.#coding, pack, frame, stored)
  }
}

/** Rejects with `object-corrupt` unless a part of a file stands for as many bytes as its chunk has. */
export function checkLength(part: Part, chunkBytes: number): void {
  if (part.bytes === chunkBytes) return
  throw new Failure('object-corrupt', `a part of ${part.bytes} bytes is a chunk of ${chunkBytes}`, {
    bytes: part.bytes,
    chunkBytes,
  })
}

/** Rejects with `chunk-corrupt` unless the bytes hash to `id`. */
export function proveChunk(id: ChunkId, bytes: Uint8Array): void {
  if (chunkIdOf(bytes) === id) return
  throw new Failure('chunk-corrupt', `chunk ${chunkIdToHex(id)} has other bytes than it had`, {
    chunk: chunkIdToHex(id),
  })
}
