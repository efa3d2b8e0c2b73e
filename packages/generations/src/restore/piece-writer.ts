import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { type ByteString, toText } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import { decodeFrame, type FrameCoding } from '../format/frame.ts'
import { proveChunk } from '../read/chunk-reader.ts'
import type { SourceDirectory } from '../scan/source-directory.ts'
import { type RangeWork, unpackPieces } from './frame-job.ts'
import { type HashedPages, PageHasher } from './hashed-pages.ts'
import type { Piece } from './restore-plan.ts'

/** Partial files kept open between pieces. */
const OPEN_FILES_MAX = 64
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const PART_FILE = constants.O_WRONLY | constants.O_NOFOLLOW

/** Writes the chunks of fetched frames into files, each proven against its id first. */
export class PieceWriter implements Disposable {
  readonly #target: SourceDirectory
  readonly #coding: FrameCoding
  readonly #open = new Map<ByteString, number>()
  readonly #hasher = new PageHasher()

  constructor(target: SourceDirectory, coding: FrameCoding) {
    this.#target = target
    this.#coding = coding
  }

  /** The hashes of the database pages among what it wrote. Rejects with `object-corrupt`, `chunk-corrupt` or `volume-full`. */
  write(work: RangeWork): HashedPages[] {
    for (const frame of work.frames) {
      const stored = work.bytes.subarray(frame.start, frame.start + frame.storedBytes)
      const raw = decodeFrame(this.#coding, work.pack, frame, stored)
      let proven: ChunkId | undefined
      for (const piece of unpackPieces(frame)) {
        const bytes = raw.subarray(piece.offset, piece.offset + piece.bytes)
        if (piece.id !== proven) proveChunk(piece.id, bytes)
        proven = piece.id
        this.#writePiece(piece, bytes)
        this.#hasher.add(piece, bytes)
      }
      if (raw.buffer !== work.bytes.buffer) release(raw)
    }
    release(work.bytes)
    return this.#hasher.take()
  }

  #writePiece(piece: Piece, bytes: Uint8Array): void {
    try {
      if (piece.whole) this.#writeWhole(piece.path, bytes)
      else writeFully(this.#partFile(piece.path), bytes, piece.position)
    } catch (error) {
      throw targetFailure(error, piece.path, 'write')
    }
  }

  #writeWhole(path: ByteString, bytes: Uint8Array): void {
    const fd = openSync(this.#target.resolve(path), NEW_FILE, 0o600)
    try {
      writeFully(fd, bytes, 0)
    } finally {
      closeSync(fd)
    }
  }

  #partFile(path: ByteString): number {
    const known = this.#open.get(path)
    if (known !== undefined) return known
    if (this.#open.size >= OPEN_FILES_MAX) this.#closeAll()
    const fd = openSync(this.#target.resolve(path), PART_FILE)
    this.#open.set(path, fd)
    return fd
  }

  #closeAll(): void {
    for (const fd of this.#open.values()) closeSync(fd)
    this.#open.clear()
  }

  [Symbol.dispose](): void {
    this.#closeAll()
  }
}

/**
 * Frees bytes at once, with the memory that they lie in; a buffer that may be shared with others is left alone. What
 * waits for the collector makes it mark the whole heap every 64 MB, and the next frame is put into fresh pages.
 */
function release({ buffer, byteOffset, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength > Buffer.poolSize) buffer.transfer(0)
}

export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  let written = 0
  while (written < bytes.length) {
    written += writeSync(fd, bytes, written, bytes.length - written, position + written)
  }
}

/** A file function's error about the restored directory as a Failure that names the path. */
export function targetFailure(error: unknown, path: ByteString, step: string): Failure {
  if (error instanceof Failure) return error
  const errno = errnoOf(error) ?? 'unknown'
  const details = { path: toText(path), step, errno }
  const said = `cannot ${step} ${toText(path) === '' ? 'the directory' : toText(path)}: ${errno}`
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return new Failure('volume-full', said, details, error)
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS')
    return new Failure('no-permission', said, details, error)
  if (errno === 'EEXIST') return new Failure('already-exists', said, details, error)
  return new Failure('source-failed', said, details, error)
}
