import { Failure } from '@holdfast/base/failure'
import type { DatabaseState } from './database-state.ts'
import type { DatabaseChecksum } from './page-checksum.ts'
import { type DeltaPage, encodePageDelta, type PageDelta, pageDeltaBytes } from './page-delta.ts'
import { pageHash } from './page-hash.ts'

/** Pages that follow one another, in number and in memory, are written together up to this size. */
const writeBytesMax = 1_048_576

/**
 * Encodes the way from the database that `checksum` stands for to `state`, as deltas of at most about `deltaBytesMax`
 * that follow one another; nothing when both are equal. `pages` names the candidates, ascending; those whose hash is
 * unchanged are left out. Advances `checksum`, so a caller that may give the result up passes a clone.
 *
 * Only the last delta ends in a state that the database had.
 */
export function* encodeDeltas(parts: {
  readonly checksum: DatabaseChecksum
  readonly state: DatabaseState
  readonly pages: Uint32Array
  readonly deltaBytesMax: number
}): Generator<Uint8Array> {
  const { checksum, state } = parts
  const pagesPerDelta = Math.max(1, Math.floor(parts.deltaBytesMax / pageDeltaBytes(state.pageBytes, 1)))
  let from = markOf(checksum)
  let pages: DeltaPage[] = []
  const take = (): Uint8Array => {
    const delta = encodePageDelta({
      pageBytes: state.pageBytes,
      pageCountBefore: from.pageCount,
      pageCountAfter: checksum.pageCount,
      checksumBefore: from.checksum,
      checksumAfter: checksum.value,
      pages,
    })
    from = markOf(checksum)
    pages = []
    return delta
  }
  if (state.pageCount < checksum.pageCount) checksum.resize(state.pageCount)
  for (const page of parts.pages) {
    const bytes = state.readPage(page)
    if (!checksum.replacePage(page, bytes)) continue
    pages.push({ page, hash: checksum.hashOf(page), bytes: new Uint8Array(bytes) })
    if (pages.length >= pagesPerDelta) yield take()
  }
  checksum.resize(state.pageCount)
  if (pages.length > 0 || from.pageCount !== checksum.pageCount) yield take()
}

function markOf(checksum: DatabaseChecksum): { readonly pageCount: number; readonly checksum: string } {
  return { pageCount: checksum.pageCount, checksum: checksum.value }
}

/**
 * One delta for two that follow one another: the newest version of each page, cut to the newer page count. The pages
 * are those of its arguments, not copies. Throws `database-corrupt` when `newer` does not begin where `older` ends.
 */
export function mergePageDeltas(older: PageDelta, newer: PageDelta): PageDelta {
  if (
    older.checksumAfter !== newer.checksumBefore ||
    older.pageCountAfter !== newer.pageCountBefore ||
    older.pageBytes !== newer.pageBytes
  ) {
    throw new Failure('database-corrupt', 'these page deltas do not follow one another', {
      olderEndsAt: older.checksumAfter,
      newerBeginsAt: newer.checksumBefore,
    })
  }
  const newest = new Map<number, DeltaPage>()
  for (const page of older.pages) {
    if (page.page <= newer.pageCountAfter) newest.set(page.page, page)
  }
  for (const page of newer.pages) newest.set(page.page, page)
  return {
    pageBytes: newer.pageBytes,
    pageCountBefore: older.pageCountBefore,
    pageCountAfter: newer.pageCountAfter,
    checksumBefore: older.checksumBefore,
    checksumAfter: newer.checksumAfter,
    pages: [...newest.values()].sort((left, right) => left.page - right.page),
  }
}

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
