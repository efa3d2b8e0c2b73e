import { assert } from '@holdfast/base/assert'
import { isPageBytes, lockPageNumber } from './database-header.ts'
import type { DatabaseState } from './database-state.ts'
import { type PageHash, pageHash, pageShare } from './page-hash.ts'

/** The checksum of a database without pages. */
export const emptyDatabaseChecksum = '0000000000000000'

/**
 * The rolling checksum of one database: the XOR over all pages but the lock page of each page's share, so that a
 * changed page costs one page to account for. Idea: LiteFS and LTX (https://github.com/superfly/ltx). It proves that
 * base and deltas fit together and finds damage; it is no defence against someone who chooses the pages.
 *
 * Holds 8 bytes a page: 2 MiB for 1 GiB of 4 KiB pages.
 */
export class DatabaseChecksum {
  readonly pageBytes: number
  readonly #lockPage: number
  #pageCount = 0
  #high = 0
  #low = 0
  /** Two words a page: the hash of page n at 2n - 2. */
  #words = new Uint32Array(128)

  /** The checksum of a database that has no page yet. */
  constructor(pageBytes: number) {
    assert(isPageBytes(pageBytes), `a page size: ${pageBytes}`)
    this.pageBytes = pageBytes
    this.#lockPage = lockPageNumber(pageBytes)
  }

  static fromState(state: DatabaseState): DatabaseChecksum {
    const checksum = new DatabaseChecksum(state.pageBytes)
    checksum.#reserve(state.pageCount)
    state.eachPage((page, bytes) => {
      checksum.replacePage(page, bytes)
    })
    checksum.resize(state.pageCount)
    return checksum
  }

  /** An independent copy, to try a delta on. */
  clone(): DatabaseChecksum {
    const copy = new DatabaseChecksum(this.pageBytes)
    copy.#words = this.#words.slice()
    copy.#pageCount = this.#pageCount
    copy.#high = this.#high
    copy.#low = this.#low
    return copy
  }

  get pageCount(): number {
    return this.#pageCount
  }

  /** 16 hexadecimal digits. */
  get value(): string {
    return hex32(this.#high) + hex32(this.#low)
  }

  /** The hash of page `page`, 1 to `pageCount`. */
  hashOf(page: number): PageHash {
    assert(page >= 1 && page <= this.#pageCount, `page ${page} of ${this.#pageCount}`)
    return { high: this.#words[2 * page - 2] ?? 0, low: this.#words[2 * page - 1] ?? 0 }
  }

  /** The page that a database which grows by one page gets: the lock page is passed over. */
  get nextPage(): number {
    return this.#pageCount + 1 === this.#lockPage ? this.#pageCount + 2 : this.#pageCount + 1
  }

  /** Accounts for the bytes of a page that exists, or of `nextPage`. True if the page differs from before. */
  replacePage(page: number, bytes: Uint8Array): boolean {
    assert(bytes.byteLength === this.pageBytes, 'a whole page')
    return this.replaceHash(page, pageHash(bytes))
  }

  /** As `replacePage`, for a page whose hash is known. */
  replaceHash(page: number, hash: PageHash): boolean {
    assert(page >= 1 && page <= this.nextPage, `page ${page} of ${this.#pageCount}`)
    assert(page !== this.#lockPage, 'the lock page has no content')
    if (page <= this.#pageCount) {
      const before = this.hashOf(page)
      if (before.high === hash.high && before.low === hash.low) return false
      this.#toggle(page, before)
    } else {
      this.#reserve(page)
      this.#pageCount = page
    }
    this.#words[2 * page - 2] = hash.high
    this.#words[2 * page - 1] = hash.low
    this.#toggle(page, hash)
    return true
  }

  /** Drops the pages above `pageCount`; grows at most by the lock page, which needs no bytes. */
  resize(pageCount: number): void {
    if (pageCount === this.#pageCount + 1 && pageCount === this.#lockPage) {
      this.#reserve(pageCount)
      this.#pageCount = pageCount
    }
    assert(pageCount >= 0 && pageCount <= this.#pageCount, `${pageCount} of ${this.#pageCount} pages`)
    for (let page = pageCount + 1; page <= this.#pageCount; page++) {
      if (page !== this.#lockPage) this.#toggle(page, this.hashOf(page))
    }
    this.#words.fill(0, 2 * pageCount, 2 * this.#pageCount)
    this.#pageCount = pageCount
  }

  #toggle(page: number, hash: PageHash): void {
    const share = pageShare(page, hash)
    this.#high = (this.#high ^ share.high) >>> 0
    this.#low = (this.#low ^ share.low) >>> 0
  }

  /** Makes room for `pageCount` pages; the words above the present count are zeros. */
  #reserve(pageCount: number): void {
    if (2 * pageCount <= this.#words.length) return
    const grown = new Uint32Array(2 * Math.max(pageCount, this.#words.length))
    grown.set(this.#words)
    this.#words = grown
  }
}

function hex32(word: number): string {
  return word.toString(16).padStart(8, '0')
}
