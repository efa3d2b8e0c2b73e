import { closeSync, constants, ftruncateSync, openSync, readSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'
import { toText } from '../format/byte-string.ts'
import { contentBytes } from '../format/content.ts'
import type { DatabaseEntry } from '../format/entry.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import type { SourceDirectory } from '../scan/source-directory.ts'
import { applyPageDelta } from '../sqlite/apply-delta.ts'
import { DatabaseChecksum } from '../sqlite/page-checksum.ts'
import { parsePageDelta } from '../sqlite/page-delta.ts'
import { type HashedPages, joinHashes } from './hashed-pages.ts'
import { targetFailure, writeFully } from './piece-writer.ts'
import type { Placed } from './restore-plan.ts'

/** A delta larger than this is damage: a new base is cheaper long before. */
const DELTA_BYTES_MAX = 2 ** 31
const WINDOW_BYTES = 1 << 20

export interface DatabaseToRestore extends Placed<DatabaseEntry> {
  /** The hashes of pages of the base as they were written; unless they are all, the base is read for them. */
  readonly hashed: readonly HashedPages[]
}

/**
 * Puts the deltas of a page log over its base, which is in place, and proves the result page by page against the
 * checksum of the entry. Rejects with `database-corrupt` or as reading chunks does.
 */
export async function restoreDatabase(
  chunks: ChunkReader,
  target: SourceDirectory,
  { path, entry, hashed }: DatabaseToRestore,
): Promise<void> {
  const fd = openDatabase(target, path)
  try {
    const basePages = contentBytes(entry.base) / entry.pageBytes
    const checksum = joinHashes(entry.pageBytes, basePages, hashed) ?? readChecksum(fd, entry)
    for (const { content } of entry.deltas) {
      const delta = parsePageDelta(await chunks.readContent(content, DELTA_BYTES_MAX))
      applyPageDelta(checksum, delta, (first, bytes) => writeFully(fd, bytes, (first - 1) * entry.pageBytes))
    }
    ftruncateSync(fd, entry.pageCount * entry.pageBytes)
    if (checksum.value === entry.checksum && checksum.pageCount === entry.pageCount) return
  } catch (error) {
    throw targetFailure(error, path, 'restore the database')
  } finally {
    closeSync(fd)
  }
  const name = toText(path)
  throw new Failure('database-corrupt', `${name} has other pages than its checksum says`, { path: name })
}

function openDatabase(target: SourceDirectory, path: string): number {
  try {
    return openSync(target.resolve(path), constants.O_RDWR | constants.O_NOFOLLOW)
  } catch (error) {
    throw targetFailure(error, path, 'open')
  }
}

/** The checksum over the pages of the base as they are on disk now. */
function readChecksum(fd: number, entry: DatabaseEntry): DatabaseChecksum {
  const checksum = new DatabaseChecksum(entry.pageBytes)
  const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  let offset = 0
  for (let read = readSync(fd, window, 0, WINDOW_BYTES, offset); read > 0; ) {
    for (let at = 0; at + entry.pageBytes <= read; at += entry.pageBytes) {
      const page = (offset + at) / entry.pageBytes + 1
      if (page === checksum.nextPage) checksum.replacePage(page, window.subarray(at, at + entry.pageBytes))
    }
    offset += read
    read = readSync(fd, window, 0, WINDOW_BYTES, offset)
  }
  return checksum
}
