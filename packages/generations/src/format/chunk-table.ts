import { Failure } from '@holdfast/base/failure'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { CHUNK_ID_BYTES, type ChunkId } from './chunk-id.ts'

/*
 * Where chunks are: the footer of a pack is the table of that pack alone, an index object is the table of many.
 * Fixed-width columns, so that a lookup is a binary search in the bytes as they were read.
 *
 *     table  := "HFCT", u16 1, u16 0, u32 packs, u32 frames, u32 chunks, pack*, frame*, id*, place*
 *     pack   := string name, varint bytes, string sha256 (64 hex digits, or empty in the pack's own footer)
 *     frame  := u32 pack, u32 offset, u32 stored-bytes, u32 raw-bytes, u32 ordinal << 8 | codec, u32 crc32     24 bytes
 *     id     := 32 bytes, ascending
 *     place  := u32 frame, u32 offset in the raw frame, u32 bytes                      12 bytes
 */
const MAGIC = 'HFCT'
const VERSION = 1
const FRAME_BYTES = 24
const PLACE_BYTES = 12
const INTERPOLATIONS_MAX = 8

export interface TablePack {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

/** `raw` bytes are stored as they are, `zstd` bytes compressed; either may be sealed with the store's key. */
export type FrameCodec = 'raw' | 'zstd'

export interface TableFrame {
  readonly pack: number
  readonly offset: number
  readonly storedBytes: number
  readonly rawBytes: number
  readonly codec: FrameCodec
  /** The frame's number within its pack. */
  readonly ordinal: number
  /** CRC-32 of the stored bytes: finds any damage, also in bits that decompression passes over. */
  readonly crc32: number
}

export interface TableChunk {
  readonly id: ChunkId
  readonly frame: number
  readonly offset: number
  readonly bytes: number
}

export interface ChunkPlace {
  readonly frame: number
  readonly offset: number
  readonly bytes: number
}

export interface TableContents {
  readonly packs: readonly TablePack[]
  readonly frames: readonly TableFrame[]
  readonly chunks: readonly TableChunk[]
}

export function encodeChunkTable({ packs, frames, chunks }: TableContents): Uint8Array {
  const writer = new ByteWriter(64 + packs.length * 180 + frames.length * FRAME_BYTES + chunks.length * 44)
  writer.latin1(MAGIC).u16(VERSION).u16(0).u32(packs.length).u32(frames.length).u32(chunks.length)
  for (const pack of packs) writer.string(pack.name).varint(pack.bytes).string(pack.sha256)
  for (const frame of frames) {
    const codec = ((frame.ordinal << 8) | (frame.codec === 'zstd' ? 1 : 0)) >>> 0
    writer
      .u32(frame.pack)
      .u32(frame.offset)
      .u32(frame.storedBytes)
      .u32(frame.rawBytes)
      .u32(codec)
      .u32(frame.crc32)
  }
  const sorted = [...chunks].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  for (const chunk of sorted) writer.latin1(chunk.id)
  for (const chunk of sorted) writer.u32(chunk.frame).u32(chunk.offset).u32(chunk.bytes)
  return writer.finish()
}

/** A parsed table; lookups read the encoded bytes. */
export class ChunkTable {
  readonly packs: readonly TablePack[]
  readonly frameCount: number
  readonly chunkCount: number
  /** The encoded table. */
  readonly bytes: Uint8Array
  readonly #bytes: Buffer
  readonly #framesAt: number
  readonly #idsAt: number
  readonly #placesAt: number

  /**
   * `own`: the pack whose footer this is, since a footer cannot hold its pack's size and hash. Rejects with
   * `foreign-format`, `version-unknown` or `object-corrupt`.
   */
  constructor(bytes: Uint8Array, own?: TablePack) {
    const reader = new ByteReader(bytes, 'chunk table')
    if (reader.remaining < 8 || reader.latin1(4) !== MAGIC)
      throw new Failure('foreign-format', 'not a chunk table')
    const version = reader.u16()
    if (version !== VERSION) throw new Failure('version-unknown', `chunk table of version ${version}`)
    reader.u16()
    const packCount = reader.u32()
    this.frameCount = reader.u32()
    this.chunkCount = reader.u32()
    this.bytes = bytes
    const packs = readPacks(reader, packCount)
    this.packs = own ? [own] : packs
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#framesAt = reader.position
    this.#idsAt = this.#framesAt + this.frameCount * FRAME_BYTES
    this.#placesAt = this.#idsAt + this.chunkCount * CHUNK_ID_BYTES
    const end = this.#placesAt + this.chunkCount * PLACE_BYTES
    if (end !== bytes.length) reader.fail('its columns do not fill it')
  }

  frame(index: number): TableFrame {
    if (index >= this.frameCount)
      throw new Failure('object-corrupt', 'chunk table: no such frame', { frame: index })
    const at = this.#framesAt + index * FRAME_BYTES
    const codec = this.#bytes.readUInt32LE(at + 16)
    return {
      pack: this.#bytes.readUInt32LE(at),
      offset: this.#bytes.readUInt32LE(at + 4),
      storedBytes: this.#bytes.readUInt32LE(at + 8),
      rawBytes: this.#bytes.readUInt32LE(at + 12),
      codec: (codec & 0xff) === 1 ? 'zstd' : 'raw',
      ordinal: codec >>> 8,
      crc32: this.#bytes.readUInt32LE(at + 20),
    }
  }

  packOf(frame: TableFrame): TablePack {
    const pack = this.packs[frame.pack]
    if (pack === undefined)
      throw new Failure('object-corrupt', 'chunk table: no such pack', { pack: frame.pack })
    return pack
  }

  id(index: number): ChunkId {
    const at = this.#idsAt + index * CHUNK_ID_BYTES
    return this.#bytes.toString('latin1', at, at + CHUNK_ID_BYTES)
  }

  place(index: number): ChunkPlace {
    const at = this.#placesAt + index * PLACE_BYTES
    return {
      frame: this.#bytes.readUInt32LE(at),
      offset: this.#bytes.readUInt32LE(at + 4),
      bytes: this.#bytes.readUInt32LE(at + 8),
    }
  }

  /**
   * The chunk's place, or undefined. Interpolates first: ids are uniform, so two or three probes suffice. Halves from
   * then on, so that ids chosen to mislead cost no more than a binary search.
   */
  find(id: ChunkId): ChunkPlace | undefined {
    let low = 0
    let high = this.chunkCount - 1
    const target = firstWord(id)
    let guess = Math.min(high, Math.floor((target / 0x1_0000_0000) * this.chunkCount))
    for (let probes = 1; low <= high; probes++) {
      const order = this.#firstWordAt(guess) - target || this.#compare(guess, id)
      if (order === 0) return this.place(guess)
      if (order < 0) low = guess + 1
      else high = guess - 1
      guess = probes < INTERPOLATIONS_MAX ? this.#interpolate(low, high, target) : (low + high) >>> 1
    }
    return undefined
  }

  #interpolate(low: number, high: number, target: number): number {
    if (high - low < 8) return (low + high) >>> 1
    const from = this.#firstWordAt(low)
    const to = this.#firstWordAt(high)
    if (to <= from) return (low + high) >>> 1
    const share = Math.min(1, Math.max(0, (target - from) / (to - from)))
    return low + Math.floor(share * (high - low))
  }

  #firstWordAt(index: number): number {
    return this.#bytes.readUInt32BE(this.#idsAt + index * CHUNK_ID_BYTES)
  }

  #compare(index: number, id: ChunkId): number {
    const at = this.#idsAt + index * CHUNK_ID_BYTES
    for (let offset = 0; offset < CHUNK_ID_BYTES; offset++) {
      const difference = this.#bytes.readUInt8(at + offset) - id.charCodeAt(offset)
      if (difference !== 0) return difference
    }
    return 0
  }
}

function readPacks(reader: ByteReader, count: number): TablePack[] {
  if (count * 3 > reader.remaining) reader.fail('a count exceeds the bytes that follow')
  const packs: TablePack[] = []
  for (let index = 0; index < count; index++) {
    packs.push({ name: reader.string(), bytes: reader.varint(), sha256: reader.string() })
  }
  return packs
}

function firstWord(id: ChunkId): number {
  return id.charCodeAt(0) * 0x100_0000 + (id.charCodeAt(1) << 16) + (id.charCodeAt(2) << 8) + id.charCodeAt(3)
}
