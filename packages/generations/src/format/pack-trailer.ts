import { createHash } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import type { FrameCodec } from './chunk-table.ts'

/*
 * A pack, one object in the store:
 *
 *     pack    := "HFPK", u16 version, u16 0, frame*, footer, [record], trailer
 *     footer  := the pack's chunk table, as a frame             ordinal = number of frames
 *     record  := the generation record, as a frame              ordinal = number of frames + 1
 *     trailer := u32 footer-offset, frame-size (footer), frame-size (record, zeros when there is none), u32 frames,
 *                8-byte key id, 32-byte SHA-256 of footer, record and the trailer so far, u16 version, u16 0, "HFPE"
 *     frame-size := u32 stored-bytes, u32 raw-bytes, u32 codec (0 raw, 1 zstd), u32 crc32
 *
 * The end says where everything is, so that a reader needs two ranged reads and a writer never goes back. The SHA-256
 * in the trailer is the pack's hash: it covers the footer, the footer the chunk ids, and these every byte of content,
 * so the pack is proven without being hashed a second time.
 */
const PACK_MAGIC = 'HFPK'
const PACK_VERSION = 1
export const PACK_HEADER_BYTES = 8
const END_MAGIC = 'HFPE'
const FIELDS_BYTES = 4 + 16 + 16 + 4 + 8
export const PACK_TRAILER_BYTES = FIELDS_BYTES + 32 + 8

export interface FrameSize {
  readonly storedBytes: number
  readonly rawBytes: number
  readonly codec: FrameCodec
  readonly crc32: number
}

export interface PackTrailer {
  readonly footerOffset: number
  readonly footer: FrameSize
  readonly record: FrameSize | null
  readonly frames: number
  readonly keyId: string
}

export function encodePackHeader(): Uint8Array {
  return new ByteWriter(PACK_HEADER_BYTES).latin1(PACK_MAGIC).u16(PACK_VERSION).u16(0).finish()
}

export interface EncodedTrailer {
  readonly bytes: Uint8Array
  /** The pack's hash, 64 hex digits. */
  readonly sha256: string
}

/** `tail`: the stored footer and record, which the checksum covers. */
export function encodePackTrailer(trailer: PackTrailer, tail: readonly Uint8Array[]): EncodedTrailer {
  const writer = new ByteWriter(PACK_TRAILER_BYTES).u32(trailer.footerOffset)
  writeSize(writer, trailer.footer)
  writeSize(writer, trailer.record ?? { storedBytes: 0, rawBytes: 0, codec: 'raw', crc32: 0 })
  writer.u32(trailer.frames).bytes(Buffer.from(trailer.keyId, 'hex'))
  const fields = Buffer.from(writer.finish())
  const sha256 = checksum(tail, fields)
  const end = new ByteWriter(PACK_TRAILER_BYTES)
    .bytes(fields)
    .bytes(sha256)
    .u16(PACK_VERSION)
    .u16(0)
    .latin1(END_MAGIC)
  return { bytes: end.finish(), sha256: sha256.toString('hex') }
}

function writeSize(writer: ByteWriter, size: FrameSize): void {
  writer
    .u32(size.storedBytes)
    .u32(size.rawBytes)
    .u32(size.codec === 'zstd' ? 1 : 0)
    .u32(size.crc32)
}

function checksum(tail: readonly Uint8Array[], fields: Uint8Array): Buffer {
  const hash = createHash('sha256')
  for (const part of tail) hash.update(part)
  return hash.update(fields).digest()
}

/** Rejects with `foreign-format`, `version-unknown` or `object-corrupt`. */
export function decodePackTrailer(bytes: Uint8Array, pack: string): PackTrailer {
  const reader = new ByteReader(bytes, `trailer of ${pack}`)
  if (bytes.length !== PACK_TRAILER_BYTES) reader.fail('ends early')
  const end = new ByteReader(bytes, `trailer of ${pack}`, PACK_TRAILER_BYTES - 8)
  const version = end.u16()
  end.u16()
  if (end.latin1(4) !== END_MAGIC)
    throw new Failure('foreign-format', `${pack} does not end like a pack`, { pack })
  if (version !== PACK_VERSION)
    throw new Failure('version-unknown', `${pack} has version ${version}`, { pack, version })
  const footerOffset = reader.u32()
  const footer = readSize(reader)
  const record = readSize(reader)
  const frames = reader.u32()
  const keyId = reader.bytes(8).toString('hex')
  return { footerOffset, footer, record: record.storedBytes === 0 ? null : record, frames, keyId }
}

function readSize(reader: ByteReader): FrameSize {
  const storedBytes = reader.u32()
  const rawBytes = reader.u32()
  return { storedBytes, rawBytes, codec: reader.u32() === 1 ? 'zstd' : 'raw', crc32: reader.u32() }
}

/** The pack's hash. Rejects with `object-corrupt` unless footer, record and trailer are the bytes that were written. */
export function checkPackTail(trailerBytes: Uint8Array, tail: Uint8Array, pack: string): string {
  const fields = trailerBytes.subarray(0, FIELDS_BYTES)
  const stored = trailerBytes.subarray(FIELDS_BYTES, FIELDS_BYTES + 32)
  if (!checksum([tail], fields).equals(stored)) {
    throw new Failure('object-corrupt', `the footer of ${pack} is damaged`, { pack })
  }
  return Buffer.from(stored).toString('hex')
}
