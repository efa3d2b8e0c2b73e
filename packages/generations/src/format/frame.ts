import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { Failure } from '@holdfast/base/failure'
import type { FrameCodec, TableFrame } from './chunk-table.ts'
import type { FrameSeal } from './frame-seal.ts'

/** Chunks are compressed together in frames of about this size: 4.3 to 5.2 times smaller against 3.0 for single 4 KiB files. */
export const FRAME_BYTES_TARGET = 1 << 20
/** No frame is larger: what a reader allocates for hostile bytes is bounded by this. */
export const FRAME_BYTES_MAX = 32 << 20

/** zstd level 1: 573 MB/s at 1 MiB; level 3 gains 15 % in size and costs as much again in time. */
const ZSTD_LEVEL = 1
/** The least that Node takes for an output buffer; room for the whole frame saves a third of the time. */
const OUTPUT_BYTES_MIN = 64
/** Bytes that shrink by less than this are stored as they are: reading them costs nothing. */
const WORTHWHILE = 0.97

export interface StoredFrame {
  readonly codec: FrameCodec
  readonly rawBytes: number
  readonly stored: Uint8Array
  readonly crc32: number
}

export interface FramePosition {
  readonly pack: string
  readonly ordinal: number
}

export interface FrameCoding {
  readonly seal: FrameSeal | null
}

/** `dense` bytes are known not to compress. Rejects with `unsupported-file` for more bytes than a reader accepts. */
export function encodeFrame(
  coding: FrameCoding,
  position: FramePosition,
  raw: Uint8Array,
  dense = false,
): StoredFrame {
  if (raw.length > FRAME_BYTES_MAX) throw tooLarge(raw.length)
  const compressed = dense
    ? raw
    : zstdCompressSync(raw, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } })
  const codec = compressed.length < raw.length * WORTHWHILE ? 'zstd' : 'raw'
  const bytes = codec === 'zstd' ? compressed : raw
  const stored = coding.seal
    ? coding.seal.seal(position.pack, position.ordinal, bytes)
    : codec === 'zstd'
      ? bytes
      : ownCopy(bytes)
  return { codec, rawBytes: raw.length, stored, crc32: crc32(stored) }
}

/** Only a directory whose names have megabytes of extended attributes, or of extents, comes to this. */
function tooLarge(bytes: number): Failure {
  return new Failure('unsupported-file', `${bytes} bytes in one piece cannot be part of a generation`, {
    bytes,
    bytesMax: FRAME_BYTES_MAX,
  })
}

/** A copy in a buffer of its own: a frame is handed on while its builder fills the next one. */
function ownCopy(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

/** Rejects with `object-corrupt` unless the bytes are a frame of exactly `rawBytes`. */
export function decodeFrame(
  coding: FrameCoding,
  pack: string,
  frame: Pick<TableFrame, 'ordinal' | 'codec' | 'rawBytes' | 'crc32'>,
  stored: Uint8Array,
): Uint8Array {
  const damaged = (cause?: unknown) =>
    new Failure(
      'object-corrupt',
      `frame ${frame.ordinal} of ${pack} is damaged`,
      { pack, ordinal: frame.ordinal },
      cause,
    )
  if (frame.rawBytes > FRAME_BYTES_MAX || crc32(stored) !== frame.crc32) throw damaged()
  const bytes = coding.seal ? coding.seal.open(pack, frame.ordinal, stored) : stored
  if (frame.codec === 'raw') {
    if (bytes.length !== frame.rawBytes) throw damaged()
    return bytes
  }
  try {
    const raw = zstdDecompressSync(bytes, {
      // One byte to spare: a buffer that is full makes Node allocate the next one.
      chunkSize: Math.max(OUTPUT_BYTES_MIN, frame.rawBytes + 1),
      maxOutputLength: Math.max(1, frame.rawBytes),
    })
    if (raw.length !== frame.rawBytes) throw damaged()
    return raw
  } catch (error) {
    throw error instanceof Failure ? error : damaged(error)
  }
}
