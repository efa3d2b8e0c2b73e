import { present } from '@holdfast/base/assert'
import type { ByteReader } from './byte-reader.ts'
import {
  type DatabaseHeader,
  databaseHeaderBytes,
  lockPageNumber,
  pageBytesMax,
  parseDatabaseHeader,
} from './database-header.ts'
import { readWal, resumeWal, type Wal } from './wal.ts'
import { WalIndex, type WalPosition } from './wal-index.ts'

/** A database of more pages is kept as a file: 256 GiB at the usual 4 KiB a page, 512 MiB of page hashes. */
export const databasePagesMax = 67_108_864
/** The main file is read in windows of this size where pages follow one another. */
const windowBytes = 1_048_576

/** Why an image is kept as plain files: SQLite itself would refuse it, or it passes a limit. */
export type ForeignReason =
  | 'header'
  | 'wal-version'
  | 'page-sizes-differ'
  | 'page-count-exceeds-files'
  | 'too-many-pages'

/**
 * What a frozen image of a database holds. `empty`: the main file has no byte, and SQLite deletes a WAL or journal
 * beside it unread, as the remnant of a database that was removed.
 */
export type DatabaseImage =
  | { readonly kind: 'database'; readonly state: DatabaseState }
  | { readonly kind: 'empty' }
  | { readonly kind: 'foreign'; readonly reason: ForeignReason }

export interface ImageFiles {
  readonly database: ByteReader
  readonly wal?: ByteReader | undefined
  /** The WAL index (or only its end) of an earlier capture: lets the WAL be read, or proven, incrementally. */
  readonly earlier?: WalIndex | WalPosition | undefined
}

/** What a later capture needs to know about this one to find the changed pages. */
export interface CapturedPages {
  readonly pageBytes: number
  readonly pageCount: number
  /** Pages whose bytes came from the WAL, ascending. */
  readonly overlaidPages: Uint32Array
  readonly walEnd: WalPosition | undefined
}

/** The pages of a database as the next reader would see them: the main file under the committed frames of the WAL. */
export interface DatabaseState extends CapturedPages {
  readonly header: DatabaseHeader
  readonly overlay: WalIndex | undefined
  /**
   * The bytes of page `page`, 1 to `pageCount`; zeros for the lock page and for what lies beyond the main file. They
   * stay valid until the next call.
   */
  readPage(page: number): Uint8Array
  /** Every page but the lock page, ascending, with large reads of the main file. */
  eachPage(visit: (page: number, bytes: Uint8Array) => void): void
}

/**
 * The logical state of a frozen image, equal byte for byte to what SQLite's recovery and a full checkpoint make of
 * it. A hot rollback journal is not applied: then these are the pages as found, and the journal belongs to them.
 */
export function databaseState(files: ImageFiles): DatabaseImage {
  if (files.database.bytes === 0) return { kind: 'empty' }
  const wal = overlayOf(files)
  if (wal.kind === 'invalid' && wal.reason === 'version') return { kind: 'foreign', reason: 'wal-version' }
  const index = wal.kind === 'frames' ? wal.committed : undefined
  const overlay = index === undefined || index.isEmpty ? undefined : index
  const header = firstPageHeader(files, overlay)
  if (header === undefined) return { kind: 'foreign', reason: 'header' }
  if (overlay !== undefined && overlay.pageBytes !== header.pageBytes) {
    return { kind: 'foreign', reason: 'page-sizes-differ' }
  }
  const { pageBytes } = header
  const pageCount = overlay?.pageCount ?? Math.ceil(files.database.bytes / pageBytes)
  if (overlay !== undefined && pageCount > pagesInFilesMax(files.database.bytes, overlay)) {
    return { kind: 'foreign', reason: 'page-count-exceeds-files' }
  }
  if (pageCount > databasePagesMax) return { kind: 'foreign', reason: 'too-many-pages' }
  return { kind: 'database', state: new OverlaidPages({ files, header, pageCount, index }) }
}

function overlayOf({ wal, earlier }: ImageFiles): Wal {
  if (wal === undefined) return { kind: 'empty' }
  if (!(earlier instanceof WalIndex)) return readWal(wal, earlier)
  const resumed = resumeWal(wal, earlier)
  return resumed.kind === 'continued' ? { kind: 'frames', committed: resumed.committed } : readWal(wal)
}

/** The header of page 1 where SQLite reads it: in the WAL when it stands there, whatever the main file holds. */
function firstPageHeader(files: ImageFiles, overlay: WalIndex | undefined): DatabaseHeader | undefined {
  const offset = overlay?.pageOffset(1)
  if (offset === undefined) return parseDatabaseHeader(files.database.read(0, databaseHeaderBytes))
  return parseDatabaseHeader(present(files.wal, 'the WAL').read(offset, databaseHeaderBytes))
}

/**
 * The largest page count that these files can stand for; SQLite's checkpoint takes a greater one for corruption.
 * Bounds every allocation by bytes that exist.
 */
function pagesInFilesMax(databaseBytes: number, overlay: WalIndex): number {
  const bytesMax = databaseBytes + pageBytesMax + overlay.end.frame * overlay.pageBytes
  return Math.floor(bytesMax / overlay.pageBytes)
}

class OverlaidPages implements DatabaseState {
  readonly header: DatabaseHeader
  readonly pageBytes: number
  readonly pageCount: number
  readonly overlay: WalIndex | undefined
  readonly overlaidPages: Uint32Array
  readonly #database: ByteReader
  readonly #wal: ByteReader | undefined
  readonly #lockPage: number
  readonly #padded: Uint8Array

  constructor(parts: {
    readonly files: ImageFiles
    readonly header: DatabaseHeader
    readonly pageCount: number
    readonly index: WalIndex | undefined
  }) {
    this.header = parts.header
    this.pageBytes = parts.header.pageBytes
    this.pageCount = parts.pageCount
    this.overlay = parts.index
    this.overlaidPages = parts.index?.overlaidPages ?? new Uint32Array()
    this.#database = parts.files.database
    this.#wal = parts.files.wal
    this.#lockPage = lockPageNumber(this.pageBytes)
    this.#padded = new Uint8Array(this.pageBytes)
  }

  get walEnd(): WalPosition | undefined {
    return this.overlay?.end
  }

  readPage(page: number): Uint8Array {
    if (page === this.#lockPage) return this.#padded.fill(0)
    return (
      this.#readOverlaid(page) ??
      this.#paddedPage(this.#database.read((page - 1) * this.pageBytes, this.pageBytes))
    )
  }

  eachPage(visit: (page: number, bytes: Uint8Array) => void): void {
    const { pageBytes, pageCount } = this
    const windowPages = windowBytes / pageBytes
    for (let first = 1; first <= pageCount; first += windowPages) {
      const last = Math.min(pageCount, first + windowPages - 1)
      const window = this.#database.read((first - 1) * pageBytes, (last - first + 1) * pageBytes)
      for (let page = first; page <= last; page++) {
        if (page === this.#lockPage) continue
        const at = (page - first) * pageBytes
        visit(page, this.#readOverlaid(page) ?? this.#paddedPage(window.subarray(at, at + pageBytes)))
      }
    }
  }

  #readOverlaid(page: number): Uint8Array | undefined {
    const offset = this.overlay?.pageOffset(page)
    return offset === undefined ? undefined : this.#wal?.read(offset, this.pageBytes)
  }

  /** SQLite reads zeros behind the end of the file. */
  #paddedPage(found: Uint8Array): Uint8Array {
    if (found.byteLength === this.pageBytes) return found
    this.#padded.set(found)
    return this.#padded.fill(0, found.byteLength)
  }
}
