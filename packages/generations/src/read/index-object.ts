import { hash } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'
import { ByteReader } from '../format/byte-reader.ts'
import { ByteWriter } from '../format/byte-writer.ts'
import { ChunkTable } from '../format/chunk-table.ts'
import { decodeFrame, encodeFrame, FRAME_BYTES_MAX, type FrameCoding } from '../format/frame.ts'
import { UNSEALED } from '../format/frame-seal.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { checkKey } from './pack-reader.ts'

/*
 * A merged chunk table as an object of its own, in slices so that a frame stays bounded:
 *
 *     index := "HFIX", u16 1, u16 0, 8-byte key id, u32 slices, slice*, 32-byte SHA-256 of all before
 *     slice := u32 stored-bytes, u32 raw-bytes, u32 codec, u32 crc32, frame             sealed under the object's key as pack name
 */
const MAGIC = 'HFIX'
const VERSION = 1
const SLICE_BYTES = 8 << 20
/** Where 48 million chunks are; bounds what slices that compress too well unpack to. */
const TABLE_BYTES_MAX = 2 ** 31

export function encodeIndexObject(coding: FrameCoding, key: string, table: Uint8Array): Uint8Array {
  const slices = Math.ceil(table.length / SLICE_BYTES)
  const writer = new ByteWriter(table.length + 1024).latin1(MAGIC).u16(VERSION).u16(0)
  writer.bytes(Buffer.from(coding.seal?.keyId ?? UNSEALED, 'hex')).u32(slices)
  for (let ordinal = 0; ordinal < slices; ordinal++) {
    const raw = table.subarray(ordinal * SLICE_BYTES, (ordinal + 1) * SLICE_BYTES)
    const frame = encodeFrame(coding, { pack: key, ordinal }, raw)
    writer
      .u32(frame.stored.length)
      .u32(frame.rawBytes)
      .u32(frame.codec === 'zstd' ? 1 : 0)
      .u32(frame.crc32)
      .bytes(frame.stored)
  }
  const body = Buffer.from(writer.finish())
  return Buffer.concat([body, hash('sha256', body, 'buffer')])
}

/** Rejects with `object-missing`, `object-corrupt`, `foreign-format`, `version-unknown` or `wrong-key`. */
export async function readIndexObject(
  deps: { readonly store: ObjectStore; readonly coding: FrameCoding },
  key: string,
): Promise<ChunkTable> {
  return new ChunkTable(decodeIndexObject(deps.coding, key, await deps.store.get(key)))
}

export function decodeIndexObject(coding: FrameCoding, key: string, bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes, `index ${key}`)
  if (reader.remaining < 40 || reader.latin1(4) !== MAGIC)
    throw new Failure('foreign-format', `${key} is not an index`)
  const version = reader.u16()
  if (version !== VERSION) throw new Failure('version-unknown', `${key} has version ${version}`)
  reader.u16()
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length - 32)
  if (!hash('sha256', body, 'buffer').equals(bytes.subarray(bytes.length - 32)))
    reader.fail('its checksum is wrong')
  checkKey(coding, reader.bytes(8).toString('hex'), key)
  const slices = reader.u32()
  const parts: Uint8Array[] = []
  let tableBytes = 0
  for (let ordinal = 0; ordinal < slices; ordinal++) {
    const storedBytes = reader.u32()
    const rawBytes = reader.u32()
    tableBytes += rawBytes
    if (rawBytes > FRAME_BYTES_MAX || tableBytes > TABLE_BYTES_MAX) reader.fail('its table is too large')
    const codec = reader.u32() === 1 ? 'zstd' : 'raw'
    const crc32 = reader.u32()
    parts.push(decodeFrame(coding, key, { ordinal, codec, rawBytes, crc32 }, reader.bytes(storedBytes)))
  }
  return Buffer.concat(parts)
}
