import type { ByteString } from '../format/byte-string.ts'
import { DatabaseChecksum } from '../sqlite/page-checksum.ts'
import { pageHash } from '../sqlite/page-hash.ts'
import type { Piece } from './restore-plan.ts'

/** The hashes of pages that follow one another in the base of a database, as they were written. */
export interface HashedPages {
  readonly path: ByteString
  /** The number of the first page, from 1. */
  readonly first: number
  /** Two words a page. */
  readonly words: Uint32Array<ArrayBuffer>
}

interface Run {
  readonly path: ByteString
  readonly first: number
  next: number
  readonly words: number[]
}

/** Hashes pages of databases while their bytes are in memory, so that proving a database reads nothing again. */
export class PageHasher {
  #runs: Run[] = []

  /** Takes a piece and its bytes. One that is not of whole pages is passed over: its database is read again. */
  add({ path, position, pageBytes }: Piece, bytes: Uint8Array): void {
    if (pageBytes === 0 || position % pageBytes !== 0 || bytes.length % pageBytes !== 0) return
    const run = this.#runOf(path, position / pageBytes + 1)
    for (let at = 0; at < bytes.length; at += pageBytes) {
      const { high, low } = pageHash(bytes.subarray(at, at + pageBytes))
      run.words.push(high, low)
      run.next++
    }
  }

  /** What was hashed since the last call. */
  take(): HashedPages[] {
    const taken = this.#runs.map(({ path, first, words }) => ({
      path,
      first,
      words: Uint32Array.from(words),
    }))
    this.#runs = []
    return taken
  }

  #runOf(path: ByteString, page: number): Run {
    const last = this.#runs.at(-1)
    if (last?.path === path && last.next === page) return last
    const run = { path, first: page, next: page, words: [] }
    this.#runs.push(run)
    return run
  }
}

/** The checksum of a database of `pageCount` pages; undefined unless `runs` are all of them, each once. */
export function joinHashes(
  pageBytes: number,
  pageCount: number,
  runs: readonly HashedPages[],
): DatabaseChecksum | undefined {
  const checksum = new DatabaseChecksum(pageBytes)
  let page = 1
  for (const { first, words } of [...runs].sort((a, b) => a.first - b.first)) {
    if (first !== page) return undefined
    for (let at = 0; at < words.length; at += 2, page++) {
      // Only the lock page lies between a page and `nextPage`: it has no content.
      if (page === checksum.nextPage)
        checksum.replaceHash(page, { high: words[at] ?? 0, low: words[at + 1] ?? 0 })
    }
  }
  return page === pageCount + 1 ? checksum : undefined
}
