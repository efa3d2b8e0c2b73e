import type { ChunkId } from './chunk-id.ts'
import { encodeChunkTable, type TableChunk, type TableFrame } from './chunk-table.ts'
import { encodeFrame, FRAME_BYTES_TARGET, type FrameCoding, type StoredFrame } from './frame.ts'
import { UNSEALED } from './frame-seal.ts'
import { encodePackHeader, encodePackTrailer, type FrameSize, PACK_HEADER_BYTES } from './pack-trailer.ts'

/** A pack is closed when its frames reach this. */
export const PACK_BYTES_TARGET = 16 << 20
/** A pack is also closed when it holds so many chunks: its footer, one frame, stays far below the largest one. */
export const PACK_CHUNKS_TARGET = 1 << 16

/** What a frame's buffer begins with. */
const FRAME_BYTES_FIRST = 16 * 1024

/** Chunks that are read together or compress alike share a frame. */
export type FrameGroup = 'text' | 'dense' | 'tree' | 'pages'

/** A finished pack, ready to be put. */
export interface BuiltPack {
  readonly name: string
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
  readonly sha256: string
  /** Its chunk table with the pack's own hash filled in. */
  readonly table: Uint8Array
}

export interface PackBuilderOptions {
  readonly coding: FrameCoding
  /** A name that no pack ever had. */
  readonly nextName: () => string
  readonly onPack: (pack: BuiltPack) => void
}

interface OpenFrame {
  buffer: Buffer
  length: number
  chunks: { readonly id: ChunkId; readonly offset: number; readonly bytes: number }[]
}

/** Gathers chunks into frames and frames into packs, and hands each pack over when it is full. */
export class PackBuilder {
  readonly #options: PackBuilderOptions
  readonly #open = new Map<FrameGroup, OpenFrame>()
  #name: string
  #parts: Uint8Array[] = []
  #bytes = 0
  #frames: TableFrame[] = []
  #chunks: TableChunk[] = []

  constructor(options: PackBuilderOptions) {
    this.#options = options
    this.#name = options.nextName()
  }

  /** Adds a chunk; its bytes are copied. */
  add(id: ChunkId, bytes: Uint8Array, group: FrameGroup): void {
    if (bytes.length >= FRAME_BYTES_TARGET) {
      this.#writeFrame(bytes, [{ id, offset: 0, bytes: bytes.length }], group)
      return
    }
    const frame = this.#frameFor(group, bytes.length)
    makeRoom(frame, bytes.length)
    frame.buffer.set(bytes, frame.length)
    frame.chunks.push({ id, offset: frame.length, bytes: bytes.length })
    frame.length += bytes.length
  }

  /** What was added and is in no finished pack: bytes of closed frames as stored, of open ones as they came. */
  get heldBytes(): number {
    let bytes = this.#bytes
    for (const frame of this.#open.values()) bytes += frame.length
    return bytes
  }

  /** Closes the open frames, so that what `finish` adds is one last pack. */
  flush(): void {
    for (const group of this.#open.keys()) this.#closeFrame(group)
  }

  /** Closes the last pack, with the generation record when there is one; a pack without chunks or record is not made. */
  finish(record?: Uint8Array): void {
    this.flush()
    if (this.#frames.length > 0 || record !== undefined) this.#closePack(record)
  }

  #frameFor(group: FrameGroup, bytes: number): OpenFrame {
    const open = this.#open.get(group)
    if (open && open.length + bytes <= FRAME_BYTES_TARGET) return open
    if (open) this.#closeFrame(group)
    const reusable = this.#open.get(group)
    if (reusable) return reusable
    const frame: OpenFrame = { buffer: Buffer.allocUnsafeSlow(FRAME_BYTES_FIRST), length: 0, chunks: [] }
    this.#open.set(group, frame)
    return frame
  }

  #closeFrame(group: FrameGroup): void {
    const frame = this.#open.get(group)
    if (!frame || frame.length === 0) return
    this.#writeFrame(frame.buffer.subarray(0, frame.length), frame.chunks, group)
    frame.length = 0
    frame.chunks = []
  }

  #writeFrame(raw: Uint8Array, chunks: OpenFrame['chunks'], group: FrameGroup): void {
    const position = { pack: this.#name, ordinal: this.#frames.length }
    const encoded = encodeFrame(this.#options.coding, position, raw, group === 'dense')
    const frame = this.#frames.length
    const offset = PACK_HEADER_BYTES + this.#bytes
    this.#frames.push({ pack: 0, offset, ordinal: frame, ...sizeOf(encoded) })
    for (const chunk of chunks) this.#chunks.push({ ...chunk, frame })
    this.#append(encoded.stored)
    if (this.#bytes >= PACK_BYTES_TARGET || this.#chunks.length >= PACK_CHUNKS_TARGET) this.#closePack()
  }

  #append(part: Uint8Array): void {
    this.#parts.push(part)
    this.#bytes += part.length
  }

  #closePack(record?: Uint8Array): void {
    const { coding } = this.#options
    const name = this.#name
    const contents = { frames: this.#frames, chunks: this.#chunks }
    const own = encodeChunkTable({ packs: [{ name, bytes: 0, sha256: '' }], ...contents })
    const footer = encodeFrame(coding, { pack: name, ordinal: this.#frames.length }, own)
    const tail = [footer.stored]
    const recordFrame =
      record && encodeFrame(coding, { pack: name, ordinal: this.#frames.length + 1 }, record)
    if (recordFrame) tail.push(recordFrame.stored)
    const trailer = encodePackTrailer(
      {
        footerOffset: PACK_HEADER_BYTES + this.#bytes,
        footer: sizeOf(footer),
        record: recordFrame ? sizeOf(recordFrame) : null,
        frames: this.#frames.length,
        keyId: coding.seal?.keyId ?? UNSEALED,
      },
      tail,
    )
    const parts = [encodePackHeader(), ...this.#parts, ...tail, trailer.bytes]
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    const { sha256 } = trailer
    const table = encodeChunkTable({ packs: [{ name, bytes, sha256 }], ...contents })
    this.#startPack()
    this.#options.onPack({ name, parts, bytes, sha256, table })
  }

  #startPack(): void {
    this.#name = this.#options.nextName()
    this.#parts = []
    this.#bytes = 0
    this.#frames = []
    this.#chunks = []
  }
}

/** A small commit touches a small buffer; a large one soon has the whole frame. */
function makeRoom(frame: OpenFrame, bytes: number): void {
  const needed = frame.length + bytes
  if (needed <= frame.buffer.length) return
  const larger = Buffer.allocUnsafeSlow(needed > FRAME_BYTES_TARGET / 8 ? FRAME_BYTES_TARGET : needed * 2)
  frame.buffer.copy(larger, 0, 0, frame.length)
  frame.buffer = larger
}

function sizeOf(frame: StoredFrame): FrameSize {
  return {
    storedBytes: frame.stored.length,
    rawBytes: frame.rawBytes,
    codec: frame.codec,
    crc32: frame.crc32,
  }
}
