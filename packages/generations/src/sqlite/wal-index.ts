import { assert } from '@holdfast/base/assert'

export const walHeaderBytes = 32
export const walFrameHeaderBytes = 24

/**
 * A place in a WAL, behind a commit frame. The checksum runs over the header and every frame before it, and the salts
 * change when the WAL starts again: a WAL that holds these values here still begins with the same bytes.
 */
export interface WalPosition {
  readonly salt1: number
  readonly salt2: number
  readonly pageBytes: number
  /** Frames before this place; 0 is the place behind the header. */
  readonly frame: number
  readonly checksum1: number
  readonly checksum2: number
}

export function samePosition(left: WalPosition, right: WalPosition): boolean {
  return (
    left.salt1 === right.salt1 &&
    left.salt2 === right.salt2 &&
    left.pageBytes === right.pageBytes &&
    left.frame === right.frame &&
    left.checksum1 === right.checksum1 &&
    left.checksum2 === right.checksum2
  )
}

interface WalIndexParts {
  /** The newest committed frame (from 1) of each page, pages ascending. */
  readonly pages: Uint32Array
  readonly frames: Uint32Array
  /** Pages of the database after the last commit; 0 when nothing is committed. */
  readonly pageCount: number
  readonly end: WalPosition
  readonly continues?: WalPosition | undefined
}

/** Where the newest committed version of each page stands in a WAL. */
export class WalIndex {
  readonly pageBytes: number
  readonly pageCount: number
  /** Behind the last commit frame. */
  readonly end: WalPosition
  /** An earlier end that this WAL is proven to continue: frames up to it are those of that earlier capture. */
  readonly continues: WalPosition | undefined
  readonly #pages: Uint32Array
  readonly #frames: Uint32Array

  constructor(parts: WalIndexParts) {
    assert(parts.pages.length === parts.frames.length, 'a frame for each page')
    this.pageBytes = parts.end.pageBytes
    this.pageCount = parts.pageCount
    this.end = parts.end
    this.continues = parts.continues
    this.#pages = parts.pages
    this.#frames = parts.frames
  }

  /** True when no transaction is committed in this WAL. */
  get isEmpty(): boolean {
    return this.end.frame === 0
  }

  /** The overlaid pages that belong to the database, ascending. */
  get overlaidPages(): Uint32Array {
    return this.#pages.subarray(0, this.#firstAbove(this.pageCount))
  }

  /** The newest committed frame of `page`, from 1; undefined when the WAL has none. */
  frameOf(page: number): number | undefined {
    const at = this.#firstAbove(page - 1)
    return this.#pages[at] === page ? this.#frames[at] : undefined
  }

  /** Where the bytes of the newest committed version of `page` begin in the WAL file. */
  pageOffset(page: number): number | undefined {
    const frame = this.frameOf(page)
    return frame === undefined ? undefined : frameOffset(this.pageBytes, frame) + walFrameHeaderBytes
  }

  /**
   * This index with the frames of `newer` on top, which continue it. Pages above the page count are kept: when the
   * database shrinks and grows again within one WAL, their old frames count again.
   */
  extendedBy(newer: WalRun): WalIndex {
    const extended = { pageCount: newer.pageCount, end: newer.end, continues: this.end }
    const mine = { pages: this.#pages, frames: this.#frames }
    if (newer.frameOfPage.size === 0) return new WalIndex({ ...mine, ...extended, pageCount: this.pageCount })
    return new WalIndex({ ...newestOf(mine, sortedRun(newer.frameOfPage)), ...extended })
  }

  /** The position in the sorted page list of the first page above `page`. */
  #firstAbove(page: number): number {
    let low = 0
    let high = this.#pages.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#pages[middle] ?? 0) <= page) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The frames of one reading: the newest committed one of each page, and what the reading ends with. */
export interface WalRun {
  readonly frameOfPage: ReadonlyMap<number, number>
  readonly pageCount: number
  readonly end: WalPosition
  readonly continues?: WalPosition | undefined
}

/** Sorts a run into an index. */
export function walIndexOf({ frameOfPage, pageCount, end, continues }: WalRun): WalIndex {
  return new WalIndex({ ...sortedRun(frameOfPage), pageCount, end, continues })
}

interface PageFrames {
  readonly pages: Uint32Array
  readonly frames: Uint32Array
}

function sortedRun(frameOfPage: ReadonlyMap<number, number>): PageFrames {
  const pages = Uint32Array.from(frameOfPage.keys()).sort()
  return { pages, frames: pages.map((page) => frameOfPage.get(page) ?? 0) }
}

/** Both lists as one, with the newer frame where both have the page. */
function newestOf(older: PageFrames, newer: PageFrames): PageFrames {
  const pages = new Uint32Array(older.pages.length + newer.pages.length)
  const frames = new Uint32Array(pages.length)
  let at = 0
  let olderAt = 0
  let newerAt = 0
  while (olderAt < older.pages.length || newerAt < newer.pages.length) {
    const olderPage = older.pages[olderAt] ?? Number.POSITIVE_INFINITY
    const newerPage = newer.pages[newerAt] ?? Number.POSITIVE_INFINITY
    const takesNewer = newerPage <= olderPage
    pages[at] = takesNewer ? newerPage : olderPage
    frames[at++] = (takesNewer ? newer.frames[newerAt] : older.frames[olderAt]) ?? 0
    if (newerPage <= olderPage) newerAt++
    if (olderPage <= newerPage) olderAt++
  }
  return { pages: pages.slice(0, at), frames: frames.slice(0, at) }
}

/** Where frame `frame` (from 1) begins in the WAL file. */
export function frameOffset(pageBytes: number, frame: number): number {
  return walHeaderBytes + (frame - 1) * (walFrameHeaderBytes + pageBytes)
}
