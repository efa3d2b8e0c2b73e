/*
 * A page delta: what turns one state of a database into a later one. A base is the delta of a database without
 * pages. Integers are big-endian. The idea of the page log is LTX's (https://github.com/superfly/ltx); the bytes are
 * our own, with a version.
 *
 *   0   magic "HFPD"
 *   4   version u16 = 1
 *   6   zero u16
 *   8   page size u32
 *   12  page count before u32
 *   16  page count after u32
 *   20  number of pages here u32 = n
 *   24  checksum of the database before, 8 bytes
 *   32  checksum of the database after, 8 bytes
 *   40  page numbers u32 × n, strictly ascending, each 1..page count after, never the lock page
 *   ..  page hashes, 8 bytes × n (page-hash.ts)
 *   ..  first 8 bytes of the SHA-256 of all bytes before
 *   ..  pages, page size × n
 *
 * Every page in (page count before, page count after] is present, but the lock page.
 */
import { hash } from 'node:crypto'
import { assert } from '@holdfast/base/assert'
import { Failure } from '@holdfast/base/failure'
import { viewOf } from './byte-reader.ts'
import { isPageBytes, lockPageNumber } from './database-header.ts'
import { databasePagesMax } from './database-state.ts'
import { type PageHash, pageHashBytes } from './page-hash.ts'

const magic = 0x4846_5044
const version = 1
const headBytes = 40
const pageEntryBytes = 4 + pageHashBytes
const headDigestBytes = 8

export interface DeltaPage {
  readonly page: number
  readonly hash: PageHash
  readonly bytes: Uint8Array
}

export interface PageDelta {
  readonly pageBytes: number
  readonly pageCountBefore: number
  readonly pageCountAfter: number
  /** Database checksums, 16 hexadecimal digits. */
  readonly checksumBefore: string
  readonly checksumAfter: string
  /** Ascending. */
  readonly pages: readonly DeltaPage[]
}

/** The size of an encoded delta of `pages` pages. */
export function pageDeltaBytes(pageBytes: number, pages: number): number {
  return headBytes + headDigestBytes + pages * (pageEntryBytes + pageBytes)
}

export function encodePageDelta(delta: PageDelta): Uint8Array {
  const count = delta.pages.length
  assert(firstMissingPage(delta) === undefined, 'a delta holds every page that it adds')
  const bytes = new Uint8Array(pageDeltaBytes(delta.pageBytes, count))
  const view = viewOf(bytes)
  view.setUint32(0, magic)
  view.setUint16(4, version)
  view.setUint32(8, delta.pageBytes)
  view.setUint32(12, delta.pageCountBefore)
  view.setUint32(16, delta.pageCountAfter)
  view.setUint32(20, count)
  view.setBigUint64(24, BigInt(`0x${delta.checksumBefore}`))
  view.setBigUint64(32, BigInt(`0x${delta.checksumAfter}`))
  const hashesAt = headBytes + 4 * count
  const digestAt = hashesAt + pageHashBytes * count
  const pagesAt = digestAt + headDigestBytes
  delta.pages.forEach((page, index) => {
    assert(page.bytes.byteLength === delta.pageBytes, 'a whole page')
    view.setUint32(headBytes + 4 * index, page.page)
    view.setUint32(hashesAt + pageHashBytes * index, page.hash.high)
    view.setUint32(hashesAt + pageHashBytes * index + 4, page.hash.low)
    bytes.set(page.bytes, pagesAt + delta.pageBytes * index)
  })
  bytes.set(headDigest(bytes, digestAt), digestAt)
  return bytes
}

/**
 * Reads a delta; its pages are views into `bytes`. Throws `foreign-format`, `version-unknown`, or `object-corrupt`
 * for whatever the format forbids. The page bytes are proven against their hashes where they are applied.
 */
export function parsePageDelta(bytes: Uint8Array): PageDelta {
  const view = viewOf(bytes)
  if (bytes.byteLength < headBytes || view.getUint32(0) !== magic) {
    throw new Failure('foreign-format', 'not a page delta')
  }
  if (view.getUint16(4) !== version) {
    throw new Failure('version-unknown', `page delta of version ${view.getUint16(4)}`)
  }
  const pageBytes = view.getUint32(8)
  const count = view.getUint32(20)
  if (!isPageBytes(pageBytes)) throw corrupt(`page size ${pageBytes}`)
  if (bytes.byteLength !== pageDeltaBytes(pageBytes, count)) {
    throw corrupt(`${bytes.byteLength} bytes for ${count} pages`)
  }
  const digestAt = headBytes + pageEntryBytes * count
  if (!headDigest(bytes, digestAt).equals(bytes.subarray(digestAt, digestAt + headDigestBytes))) {
    throw corrupt('its head differs from its hash')
  }
  const delta: PageDelta = {
    pageBytes,
    pageCountBefore: view.getUint32(12),
    pageCountAfter: view.getUint32(16),
    checksumBefore: hex64(view.getBigUint64(24)),
    checksumAfter: hex64(view.getBigUint64(32)),
    pages: parsePages(bytes, pageBytes, count),
  }
  checkPageNumbers(delta)
  return delta
}

function parsePages(bytes: Uint8Array, pageBytes: number, count: number): DeltaPage[] {
  const view = viewOf(bytes)
  const hashesAt = headBytes + 4 * count
  const pagesAt = hashesAt + pageHashBytes * count + headDigestBytes
  return Array.from({ length: count }, (_, index) => {
    const hashAt = hashesAt + pageHashBytes * index
    const pageAt = pagesAt + pageBytes * index
    return {
      page: view.getUint32(headBytes + 4 * index),
      hash: { high: view.getUint32(hashAt), low: view.getUint32(hashAt + 4) },
      bytes: bytes.subarray(pageAt, pageAt + pageBytes),
    }
  })
}

function checkPageNumbers(delta: PageDelta): void {
  const { pageCountBefore, pageCountAfter } = delta
  if (Math.max(pageCountBefore, pageCountAfter) > databasePagesMax) throw corrupt('more pages than the limit')
  const lockPage = lockPageNumber(delta.pageBytes)
  let previous = 0
  for (const { page } of delta.pages) {
    if (page <= previous || page > pageCountAfter || page === lockPage)
      throw corrupt(`page ${page} out of place`)
    previous = page
  }
  const missing = firstMissingPage(delta)
  if (missing !== undefined) throw corrupt(`page ${missing} is added without its bytes`)
}

/** The first page that the delta adds to the database without holding it. */
function firstMissingPage(delta: PageDelta): number | undefined {
  const lockPage = lockPageNumber(delta.pageBytes)
  let expected = delta.pageCountBefore + 1
  for (const { page } of delta.pages) {
    if (expected === lockPage) expected++
    if (page > expected) return expected
    if (page === expected) expected++
  }
  if (expected === lockPage) expected++
  return expected <= delta.pageCountAfter ? expected : undefined
}

function headDigest(bytes: Uint8Array, end: number): Buffer {
  return hash('sha256', bytes.subarray(0, end), 'buffer').subarray(0, headDigestBytes)
}

function hex64(word: bigint): string {
  return word.toString(16).padStart(16, '0')
}

function corrupt(what: string): Failure {
  return new Failure('object-corrupt', `the page delta is damaged: ${what}`)
}
