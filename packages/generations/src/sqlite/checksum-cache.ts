/*
 * The table of a DatabaseChecksum as bytes, a cache: what is damaged or newer is refused and computed again.
 * Integers are big-endian.
 *
 *   0   magic "HFPC"
 *   4   version u16 = 1
 *   6   zero u16
 *   8   page size u32
 *   12  page count u32
 *   16  page hashes, 8 bytes each; zeros for the lock page
 *   ..  SHA-256 of all bytes before
 */
import { hash } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'
import { viewOf } from './byte-reader.ts'
import { isPageBytes, lockPageNumber } from './database-header.ts'
import { databasePagesMax } from './database-state.ts'
import { DatabaseChecksum } from './page-checksum.ts'
import { pageHashBytes } from './page-hash.ts'

const magic = 0x4846_5043
const version = 1
const headBytes = 16
const digestBytes = 32

export function serialiseChecksum(checksum: DatabaseChecksum): Uint8Array {
  const bodyBytes = headBytes + checksum.pageCount * pageHashBytes
  const bytes = new Uint8Array(bodyBytes + digestBytes)
  const view = viewOf(bytes)
  view.setUint32(0, magic)
  view.setUint16(4, version)
  view.setUint32(8, checksum.pageBytes)
  view.setUint32(12, checksum.pageCount)
  for (let page = 1; page <= checksum.pageCount; page++) {
    const { high, low } = checksum.hashOf(page)
    const at = headBytes + (page - 1) * pageHashBytes
    view.setUint32(at, high)
    view.setUint32(at + 4, low)
  }
  bytes.set(hash('sha256', bytes.subarray(0, bodyBytes), 'buffer'), bodyBytes)
  return bytes
}

/** Throws `foreign-format`, `version-unknown` or `object-corrupt`. */
export function parseChecksum(bytes: Uint8Array): DatabaseChecksum {
  const view = viewOf(bytes)
  if (bytes.byteLength < headBytes || view.getUint32(0) !== magic) {
    throw new Failure('foreign-format', 'not a table of page hashes')
  }
  if (view.getUint16(4) !== version) {
    throw new Failure('version-unknown', `table of page hashes of version ${view.getUint16(4)}`)
  }
  const pageBytes = view.getUint32(8)
  const pageCount = view.getUint32(12)
  const bodyBytes = headBytes + pageCount * pageHashBytes
  if (!isPageBytes(pageBytes) || pageCount > databasePagesMax) throw corrupt('its head is out of bounds')
  if (bytes.byteLength !== bodyBytes + digestBytes) throw corrupt('its length differs from its page count')
  if (!hash('sha256', bytes.subarray(0, bodyBytes), 'buffer').equals(bytes.subarray(bodyBytes))) {
    throw corrupt('its bytes differ from their hash')
  }
  const checksum = new DatabaseChecksum(pageBytes)
  const lockPage = lockPageNumber(pageBytes)
  for (let page = 1; page <= pageCount; page++) {
    const at = headBytes + (page - 1) * pageHashBytes
    if (page !== lockPage) {
      checksum.replaceHash(page, { high: view.getUint32(at), low: view.getUint32(at + 4) })
    }
  }
  checksum.resize(pageCount)
  return checksum
}

function corrupt(what: string): Failure {
  return new Failure('object-corrupt', `the table of page hashes is damaged: ${what}`)
}
