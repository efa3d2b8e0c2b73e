import { Failure } from '@holdfast/base/failure'
import type { DatabaseChecksum } from './page-checksum.ts'
import type { DeltaPage, PageDelta } from './page-delta.ts'
import { pageHash } from './page-hash.ts'

/** Pages that follow one another, in number and in memory, are written together up to this size. */
const writeBytesMax = 1_048_576

/** Receives whole pages from page number `firstPage` on. */
export type WritePages = (firstPage: number, bytes: Uint8Array) => void

/**
 * Proves that `delta` continues the database of `checksum`, hands its pages on and advances the checksum. Each page is
 * proven before it is handed on; the size of the database afterwards is `checksum.pageCount` pages. Throws
 * `database-corrupt` when the base, a page or the result is not what the delta says: then both the checksum and what
 * was written are to be thrown away.
 */
export function applyPageDelta(checksum: DatabaseChecksum, delta: PageDelta, writePages: WritePages): void {
  if (
    checksum.value !== delta.checksumBefore ||
    checksum.pageCount !== delta.pageCountBefore ||
    checksum.pageBytes !== delta.pageBytes
  ) {
    throw corrupt('the page delta belongs to another state of the database', {
      found: checksum.value,
      expected: delta.checksumBefore,
    })
  }
  checksum.resize(Math.min(checksum.pageCount, delta.pageCountAfter))
  for (const run of runsOf(delta)) {
    for (const { page, hash, bytes } of run) {
      const found = pageHash(bytes)
      if (found.high !== hash.high || found.low !== hash.low) {
        throw corrupt(`page ${page} differs from its hash`, { page })
      }
      checksum.replaceHash(page, found)
    }
    const first = run[0]
    if (first !== undefined) writePages(first.page, bytesOfRun(run, first, delta.pageBytes))
  }
  checksum.resize(delta.pageCountAfter)
  if (checksum.value !== delta.checksumAfter) {
    throw corrupt('the page delta leads to another state than it says', {
      found: checksum.value,
      expected: delta.checksumAfter,
    })
  }
}

/** Groups pages that follow one another both in number and in memory. */
function* runsOf(delta: PageDelta): Generator<readonly DeltaPage[]> {
  const runPagesMax = Math.max(1, Math.floor(writeBytesMax / delta.pageBytes))
  let run: DeltaPage[] = []
  for (const page of delta.pages) {
    const last = run.at(-1)
    if (last !== undefined && (run.length >= runPagesMax || !follows(last, page))) {
      yield run
      run = []
    }
    run.push(page)
  }
  if (run.length > 0) yield run
}

function follows(last: DeltaPage, next: DeltaPage): boolean {
  return (
    next.page === last.page + 1 &&
    next.bytes.buffer === last.bytes.buffer &&
    next.bytes.byteOffset === last.bytes.byteOffset + last.bytes.byteLength
  )
}

function bytesOfRun(run: readonly DeltaPage[], first: DeltaPage, pageBytes: number): Uint8Array {
  return new Uint8Array(first.bytes.buffer, first.bytes.byteOffset, run.length * pageBytes)
}

function corrupt(message: string, details: Record<string, string | number>): Failure {
  return new Failure('database-corrupt', message, details)
}
