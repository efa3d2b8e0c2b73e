/*
 * The write-ahead log of SQLite, read as SQLite's own recovery reads it.
 * Source: https://www.sqlite.org/fileformat2.html section 4, https://www.sqlite.org/walformat.html
 *
 *   header, 32 bytes                     frame, 24 bytes + page
 *   0  magic 0x377f0682 | 0x377f0683     0  page number
 *   4  format 3007000                    4  pages of the database after this commit; 0: not a commit
 *   8  page size                         8  salt-1, salt-2 of the header
 *   12 checkpoint sequence               16 checksum of header and all frames so far: two words
 *   16 salt-1, salt-2                    24 the page
 *   24 checksum of bytes 0..23
 *
 * All integers are big-endian; only the words that are summed follow the magic (…82 little-endian, …83 big-endian).
 * A WAL that starts again is overwritten from its beginning under new salts: frames of the old run lie behind the
 * new ones, and end the valid part.
 */
import { type ByteReader, viewOf } from './byte-reader.ts'
import { isPageBytes } from './database-header.ts'
import { RunningChecksum } from './wal-checksum.ts'
import {
  frameOffset,
  samePosition,
  type WalIndex,
  type WalPosition,
  type WalRun,
  walFrameHeaderBytes,
  walHeaderBytes,
  walIndexOf,
} from './wal-index.ts'

const magicLittleEndian = 0x377f_0682
const magicBigEndian = 0x377f_0683
const formatVersion = 3_007_000
/** The file is read in windows of about this size. */
const windowBytes = 1_048_576

export interface WalHeader {
  readonly littleEndianSums: boolean
  readonly pageBytes: number
  /** How often the WAL has started again, as its writer counts. */
  readonly checkpointSequence: number
  /** Behind the header. */
  readonly start: WalPosition
}

/** Why a WAL is not one: SQLite passes over all of these but `version`, with which it refuses the database. */
export type WalDefect = 'magic' | 'page-size' | 'checksum' | 'version'

export type Wal =
  | { readonly kind: 'frames'; readonly committed: WalIndex }
  | { readonly kind: 'empty' }
  | { readonly kind: 'invalid'; readonly reason: WalDefect }

/**
 * Reads a WAL from its beginning: the frames up to the last valid commit count. With `earlier`, the index notes
 * whether the WAL continues that position (`committed.continues`).
 */
export function readWal(reader: ByteReader, earlier?: WalPosition): Wal {
  if (reader.bytes <= walHeaderBytes) return { kind: 'empty' }
  const header = parseWalHeader(reader.read(0, walHeaderBytes))
  if (typeof header === 'string') return { kind: 'invalid', reason: header }
  const frames = readFrames(reader, header, header.start, earlier)
  return { kind: 'frames', committed: walIndexOf(frames) }
}

export type ResumedWal =
  | { readonly kind: 'continued'; readonly committed: WalIndex }
  | { readonly kind: 'restarted' }

/**
 * Reads only the frames behind `earlier`, the index of an earlier capture of the same WAL. `restarted`: this WAL does
 * not hold that index's frames any more (started again, truncated, replaced), so it must be read from its beginning.
 */
export function resumeWal(reader: ByteReader, earlier: WalIndex): ResumedWal {
  if (reader.bytes < frameOffset(earlier.pageBytes, earlier.end.frame + 1)) return { kind: 'restarted' }
  const header = parseWalHeader(reader.read(0, walHeaderBytes))
  if (typeof header === 'string' || !holdsPosition(reader, header, earlier.end)) return { kind: 'restarted' }
  const newer = readFrames(reader, header, earlier.end)
  return { kind: 'continued', committed: earlier.extendedBy(newer) }
}

/** Parses the first 32 bytes, or names the defect. */
function parseWalHeader(bytes: Uint8Array): WalHeader | WalDefect {
  if (bytes.byteLength < walHeaderBytes) return 'magic'
  const view = viewOf(bytes)
  const magic = view.getUint32(0)
  if (magic !== magicLittleEndian && magic !== magicBigEndian) return 'magic'
  const pageBytes = view.getUint32(8)
  if (!isPageBytes(pageBytes)) return 'page-size'
  const littleEndianSums = magic === magicLittleEndian
  const sum = new RunningChecksum(littleEndianSums, 0, 0)
  sum.add(view, 0, 24)
  if (!sum.equals(view.getUint32(24), view.getUint32(28))) return 'checksum'
  if (view.getUint32(4) !== formatVersion) return 'version'
  return {
    littleEndianSums,
    pageBytes,
    checkpointSequence: view.getUint32(12),
    start: {
      salt1: view.getUint32(16),
      salt2: view.getUint32(20),
      pageBytes,
      frame: 0,
      checksum1: view.getUint32(24),
      checksum2: view.getUint32(28),
    },
  }
}

/**
 * True if the WAL still holds the frames before `position`: SQLite overwrites a committed frame only under new salts,
 * and the checksum that the last one stores covers all before it.
 */
function holdsPosition(reader: ByteReader, header: WalHeader, position: WalPosition): boolean {
  if (position.frame === 0) return samePosition(header.start, position)
  if (header.pageBytes !== position.pageBytes) return false
  const offset = frameOffset(header.pageBytes, position.frame)
  const frame = reader.read(offset, walFrameHeaderBytes)
  if (frame.byteLength < walFrameHeaderBytes) return false
  const view = viewOf(frame)
  return (
    header.start.salt1 === position.salt1 &&
    header.start.salt2 === position.salt2 &&
    view.getUint32(4) !== 0 &&
    view.getUint32(8) === position.salt1 &&
    view.getUint32(12) === position.salt2 &&
    view.getUint32(16) === position.checksum1 &&
    view.getUint32(20) === position.checksum2
  )
}

/** Reads frames behind `from` until one is invalid or the file ends. */
function readFrames(reader: ByteReader, header: WalHeader, from: WalPosition, earlier?: WalPosition): WalRun {
  const run = new CommittedFrames(header, from, earlier)
  const frameBytes = walFrameHeaderBytes + header.pageBytes
  const windowFrames = Math.max(1, Math.floor(windowBytes / frameBytes))
  const frameCount = Math.floor((reader.bytes - walHeaderBytes) / frameBytes)
  for (let before = from.frame; before < frameCount; before += windowFrames) {
    const framesHere = Math.min(windowFrames, frameCount - before)
    const window = reader.read(frameOffset(header.pageBytes, before + 1), framesHere * frameBytes)
    if (!run.addWindow(window)) break
  }
  return run
}

/** Follows the chain of frames and keeps what the commits among them make visible. */
class CommittedFrames implements WalRun {
  readonly frameOfPage = new Map<number, number>()
  pageCount = 0
  end: WalPosition
  continues: WalPosition | undefined
  readonly #sum: RunningChecksum
  readonly #frameBytes: number
  readonly #earlier: WalPosition | undefined
  #uncommittedPages: number[] = []

  constructor(header: WalHeader, from: WalPosition, earlier: WalPosition | undefined) {
    this.end = from
    this.#sum = new RunningChecksum(header.littleEndianSums, from.checksum1, from.checksum2)
    this.#frameBytes = walFrameHeaderBytes + header.pageBytes
    this.#earlier = earlier
    this.#noteEarlier()
  }

  /** Takes the frames of one window; false once a frame does not continue the chain. */
  addWindow(window: Uint8Array): boolean {
    const view = viewOf(window)
    let at = 0
    for (; at + this.#frameBytes <= view.byteLength; at += this.#frameBytes) {
      if (!this.#addFrame(view, at)) return false
    }
    return at === view.byteLength
  }

  #addFrame(view: DataView, at: number): boolean {
    const page = view.getUint32(at)
    if (view.getUint32(at + 8) !== this.end.salt1 || view.getUint32(at + 12) !== this.end.salt2) return false
    if (page === 0) return false
    this.#sum.add(view, at, at + 8)
    this.#sum.add(view, at + walFrameHeaderBytes, at + this.#frameBytes)
    if (!this.#sum.equals(view.getUint32(at + 16), view.getUint32(at + 20))) return false
    this.#uncommittedPages.push(page)
    const pageCount = view.getUint32(at + 4)
    if (pageCount !== 0) this.#commit(pageCount)
    return true
  }

  #commit(pageCount: number): void {
    let frame = this.end.frame
    for (const page of this.#uncommittedPages) this.frameOfPage.set(page, ++frame)
    this.#uncommittedPages = []
    this.pageCount = pageCount
    this.end = { ...this.end, frame, checksum1: this.#sum.first, checksum2: this.#sum.second }
    this.#noteEarlier()
  }

  #noteEarlier(): void {
    if (this.#earlier !== undefined && samePosition(this.end, this.#earlier)) this.continues = this.#earlier
  }
}
