import { viewOf } from './byte-reader.ts'

export const databaseHeaderBytes = 100
const pageBytesMin = 512
export const pageBytesMax = 65_536

/** SQLite's locks live on these bytes of the file, so the page that holds the first of them is never written. */
const lockByteOffset = 0x4000_0000
/** SQLite refuses a page that keeps fewer bytes than this after the reserved ones. */
const usableBytesMin = 480
const magic = 'SQLite format 3\0'

/** The part of page 1 that describes the whole file (https://www.sqlite.org/fileformat2.html, section 1.3). */
export interface DatabaseHeader {
  /** 512 to 65,536, a power of two. */
  readonly pageBytes: number
  /** The size in pages as the last writer noted it; undefined where that writer did not keep the field. */
  readonly pageCount: number | undefined
  /** 1: rollback journal; 2: write-ahead log. */
  readonly writeVersion: 1 | 2
  readonly readVersion: 1 | 2
  /** Bytes at the end of each page that extensions use. */
  readonly reservedBytes: number
  /** Counts transactions in rollback modes; mostly still in WAL mode. */
  readonly changeCounter: number
}

/** True for a page size that SQLite can have written. */
export function isPageBytes(bytes: number): boolean {
  return bytes >= pageBytesMin && bytes <= pageBytesMax && (bytes & (bytes - 1)) === 0
}

/**
 * Reads the header from the first 100 bytes of a file or of page 1. Undefined: not a SQLite database, or one whose
 * header is encrypted or from an unknown version.
 */
export function parseDatabaseHeader(first: Uint8Array): DatabaseHeader | undefined {
  if (first.byteLength < databaseHeaderBytes) return undefined
  const view = viewOf(first)
  for (let at = 0; at < magic.length; at++) {
    if (view.getUint8(at) !== magic.charCodeAt(at)) return undefined
  }
  const pageBytes = view.getUint16(16) === 1 ? pageBytesMax : view.getUint16(16)
  const writeVersion = journalVersion(view.getUint8(18))
  const readVersion = journalVersion(view.getUint8(19))
  const reservedBytes = view.getUint8(20)
  if (!isPageBytes(pageBytes) || writeVersion === undefined || readVersion === undefined) return undefined
  if (pageBytes - reservedBytes < usableBytesMin) return undefined
  // Payload fractions 64, 32, 32: the only values the format knows.
  if (view.getUint8(21) !== 64 || view.getUint16(22) !== 0x2020) return undefined
  const changeCounter = view.getUint32(24)
  const notedPages = view.getUint32(28)
  const pageCount = notedPages > 0 && changeCounter === view.getUint32(92) ? notedPages : undefined
  return { pageBytes, pageCount, writeVersion, readVersion, reservedBytes, changeCounter }
}

function journalVersion(byte: number): 1 | 2 | undefined {
  return byte === 1 || byte === 2 ? byte : undefined
}

/** The number of the page that holds SQLite's lock bytes (at 1 GiB): part of no database, read as zeros. */
export function lockPageNumber(pageBytes: number): number {
  return lockByteOffset / pageBytes + 1
}
