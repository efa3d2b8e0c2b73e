import { lockPageNumber } from './database-header.ts'
import type { CapturedPages } from './database-state.ts'
import { samePosition, type WalIndex } from './wal-index.ts'

/** Byte ranges of the main file that may have changed since the previous capture; `unknown`: any of them. */
export type FileChanges = readonly { readonly offset: number; readonly length: number }[] | 'unknown'

export interface PageChange {
  /** The previous capture; undefined when there was none. */
  readonly previous: CapturedPages | undefined
  readonly current: CapturedPages & { readonly overlay?: WalIndex | undefined }
  readonly fileChanges: FileChanges
}

/**
 * The pages that may differ between two captures, ascending, without the lock page; every page not named is equal in
 * both. It is the union, cut to the present page count, of
 *
 *  - pages touched by a changed range of the main file,
 *  - pages that the WAL overlaid in the previous capture (the main file may show through now),
 *  - pages that it overlays now,
 *  - pages above the previous page count: a database that shrank under an old main file and grew again finds the old
 *    bytes there, although no range changed;
 *
 * less the pages whose newest frame already stood in the previous capture, when the WAL is proven to continue it: the
 * same frame covers the main file in both. That last rule is what keeps a checkpointing writer's deltas small.
 */
export function changedPages({ previous, current, fileChanges }: PageChange): Uint32Array {
  const set = new PageSet(current.pageCount)
  const known = previous !== undefined && previous.pageBytes === current.pageBytes
  if (!known || fileChanges === 'unknown') {
    set.addRun(1, current.pageCount)
  } else {
    for (const range of fileChanges) set.addRange(range, current.pageBytes)
    set.addPages(previous.overlaidPages)
    set.addPages(current.overlaidPages)
  }
  if (known) {
    removeSameFrames(set, previous, current)
    set.addRun(previous.pageCount + 1, current.pageCount)
  }
  set.remove(lockPageNumber(current.pageBytes))
  return set.toSorted()
}

function removeSameFrames(set: PageSet, previous: CapturedPages, current: PageChange['current']): void {
  const proven = current.overlay?.continues
  if (proven === undefined || previous.walEnd === undefined) return
  if (!samePosition(proven, previous.walEnd)) return
  for (const page of current.overlaidPages) {
    const frame = current.overlay?.frameOf(page)
    if (frame !== undefined && frame <= proven.frame) set.remove(page)
  }
}

/** A set of page numbers from 1 to `pageCount`: a bit each, 32 KiB for a database of 1 GiB. */
class PageSet {
  readonly #pageCount: number
  readonly #bits: Uint8Array
  #size = 0

  constructor(pageCount: number) {
    this.#pageCount = pageCount
    this.#bits = new Uint8Array((pageCount >>> 3) + 1)
  }

  add(page: number): void {
    if (page < 1 || page > this.#pageCount || this.has(page)) return
    this.#bits[page >>> 3] = this.#byteOf(page) | (1 << (page & 7))
    this.#size++
  }

  remove(page: number): void {
    if (!this.has(page)) return
    this.#bits[page >>> 3] = this.#byteOf(page) & ~(1 << (page & 7))
    this.#size--
  }

  has(page: number): boolean {
    return (this.#byteOf(page) & (1 << (page & 7))) !== 0
  }

  addPages(pages: Uint32Array): void {
    for (const page of pages) this.add(page)
  }

  addRun(first: number, last: number): void {
    for (let page = first; page <= Math.min(last, this.#pageCount); page++) this.add(page)
  }

  addRange(range: { readonly offset: number; readonly length: number }, pageBytes: number): void {
    if (range.length <= 0) return
    const first = Math.floor(range.offset / pageBytes) + 1
    this.addRun(first, Math.ceil((range.offset + range.length) / pageBytes))
  }

  toSorted(): Uint32Array {
    const pages = new Uint32Array(this.#size)
    let at = 0
    for (let page = 1; page <= this.#pageCount && at < pages.length; page++) {
      if (this.#byteOf(page) === 0) page |= 7
      else if (this.has(page)) pages[at++] = page
    }
    return pages
  }

  #byteOf(page: number): number {
    return this.#bits[page >>> 3] ?? 0
  }
}
