import { Failure } from '@holdfast/base/failure'
import { ByteReader } from '../format/byte-reader.ts'
import { ByteWriter } from '../format/byte-writer.ts'
import { parseChecksum, serialiseChecksum } from '../sqlite/checksum-cache.ts'
import type { CapturedPages } from '../sqlite/database-state.ts'
import type { DatabaseChecksum } from '../sqlite/page-checksum.ts'
import type { WalPosition } from '../sqlite/wal-index.ts'

/** Which file the main file was: unchanged numbers mean unchanged bytes. */
export interface FileMark {
  readonly inode: number
  readonly bytes: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

/** A delta of the page log as its next merge needs to know it. */
export interface DeltaMark {
  readonly pages: Uint32Array
  readonly pageCountBefore: number
  readonly checksumBefore: string
}

/** What the last capture of one database leaves for the next one. Without it the next one starts a new base. */
export interface DatabaseMemory {
  readonly checksum: DatabaseChecksum
  readonly captured: CapturedPages
  readonly mainFile: FileMark
  /** The pin under which it was captured. */
  readonly pin: string | undefined
  /** One for each delta of the committed entry, in order. */
  readonly deltas: readonly DeltaMark[]
}

/*
 *     memory := "HFDM", u16 1, u16 0, varint checksum-bytes, page-hash table, varint page-count, varint overlaid,
 *               u32 page*, u8 has-wal, [6 × u32 position], f64 inode, f64 bytes, i64 mtime-ns, i64 ctime-ns,
 *               string pin, varint deltas, (varint page-count-before, 8-byte checksum, varint pages, u32 page*)*
 */
const MAGIC = 'HFDM'
const VERSION = 1

export function encodeDatabaseMemory(memory: DatabaseMemory): Uint8Array {
  const table = serialiseChecksum(memory.checksum)
  const { captured, mainFile } = memory
  const writer = new ByteWriter(table.length + 4096).latin1(MAGIC).u16(VERSION).u16(0)
  writer.varint(table.length).bytes(table).varint(captured.pageCount)
  writePages(writer, captured.overlaidPages)
  writeWalEnd(writer, captured.walEnd)
  writer.f64(mainFile.inode).f64(mainFile.bytes).i64(mainFile.mtimeNs).i64(mainFile.ctimeNs)
  writer.string(memory.pin ?? '').varint(memory.deltas.length)
  for (const delta of memory.deltas) {
    writer.varint(delta.pageCountBefore).bytes(Buffer.from(delta.checksumBefore, 'hex'))
    writePages(writer, delta.pages)
  }
  return writer.finish()
}

function writePages(writer: ByteWriter, pages: Uint32Array): void {
  writer.varint(pages.length)
  for (const page of pages) writer.u32(page)
}

function writeWalEnd(writer: ByteWriter, end: WalPosition | undefined): void {
  writer.u8(end ? 1 : 0)
  if (!end) return
  writer.u32(end.salt1).u32(end.salt2).u32(end.pageBytes).u32(end.frame).u32(end.checksum1).u32(end.checksum2)
}

/** Rejects with `foreign-format`, `version-unknown` or `object-corrupt`. */
export function decodeDatabaseMemory(bytes: Uint8Array): DatabaseMemory {
  const reader = new ByteReader(bytes, 'database memory')
  if (reader.remaining < 8 || reader.latin1(4) !== MAGIC)
    throw new Failure('foreign-format', 'not a database memory')
  if (reader.u16() !== VERSION) throw new Failure('version-unknown', 'database memory of another version')
  reader.u16()
  const checksum = parseChecksum(reader.bytes(reader.varint()))
  const pageCount = reader.varint()
  const overlaidPages = readPages(reader)
  const walEnd = readWalEnd(reader)
  const mainFile = { inode: reader.f64(), bytes: reader.f64(), mtimeNs: reader.i64(), ctimeNs: reader.i64() }
  const pin = reader.string() || undefined
  const deltas: DeltaMark[] = []
  for (let rest = reader.count(10); rest > 0; rest--) {
    const pageCountBefore = reader.varint()
    deltas.push({
      pageCountBefore,
      checksumBefore: reader.bytes(8).toString('hex'),
      pages: readPages(reader),
    })
  }
  reader.end()
  return {
    checksum,
    captured: { pageBytes: checksum.pageBytes, pageCount, overlaidPages, walEnd },
    mainFile,
    pin,
    deltas,
  }
}

function readPages(reader: ByteReader): Uint32Array {
  const pages = new Uint32Array(reader.count(4))
  for (let index = 0; index < pages.length; index++) pages[index] = reader.u32()
  return pages
}

function readWalEnd(reader: ByteReader): WalPosition | undefined {
  if (reader.u8() === 0) return undefined
  return {
    salt1: reader.u32(),
    salt2: reader.u32(),
    pageBytes: reader.u32(),
    frame: reader.u32(),
    checksum1: reader.u32(),
    checksum2: reader.u32(),
  }
}
