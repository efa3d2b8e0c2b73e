import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { noise } from '@holdfast/testkit/noise'
import { lockPageNumber } from '../sqlite/database-header.ts'
import { DatabaseChecksum } from '../sqlite/page-checksum.ts'
import { joinHashes, PageHasher } from './hashed-pages.ts'

const PAGE_BYTES = 512
const PAGES = 24
const base = noise(3, PAGES * PAGE_BYTES)

function checksumOf(bytes: Uint8Array): string {
  const checksum = new DatabaseChecksum(PAGE_BYTES)
  for (let at = 0; at < bytes.length; at += PAGE_BYTES)
    checksum.replacePage(checksum.nextPage, bytes.subarray(at, at + PAGE_BYTES))
  return checksum.value
}

/** Hashes the pages from `first` to `last` as one piece, `shift` bytes off a word's boundary. */
function add(hasher: PageHasher, first: number, last: number, shift = 0): void {
  const position = (first - 1) * PAGE_BYTES
  const end = last * PAGE_BYTES
  const bytes = Buffer.alloc(shift + end - position).subarray(shift)
  bytes.set(base.subarray(position, end))
  const place = { path: 'a.db', position, bytes: bytes.length, pageBytes: PAGE_BYTES }
  hasher.add({ ...place, id: '', offset: 0, whole: false }, bytes)
}

describe('the hashes of pages that were written', () => {
  test('make the checksum of the database, in whatever order and memory the pages came', () => {
    const [one, other] = [new PageHasher(), new PageHasher()]
    add(one, 9, 16, 3)
    add(one, 17, PAGES)
    add(other, 5, 8)
    add(other, 1, 4, 1)
    const runs = [...one.take(), ...other.take()]
    assert.deepEqual(
      runs.map(({ first }) => first),
      [9, 5, 1],
    )
    assert.equal(joinHashes(PAGE_BYTES, PAGES, runs)?.value, checksumOf(base))
    assert.deepEqual(one.take(), [])
  })

  test('prove nothing when a page is absent, comes twice or is one too many', () => {
    for (const spans of [
      [[2, PAGES]],
      [[1, PAGES - 1]],
      [
        [1, 4],
        [6, PAGES],
      ],
      [
        [1, 4],
        [4, PAGES],
      ],
      [],
    ] as const) {
      const hasher = new PageHasher()
      for (const [first, last] of spans) add(hasher, first, last)
      assert.equal(joinHashes(PAGE_BYTES, PAGES, hasher.take()), undefined)
    }
    const hasher = new PageHasher()
    add(hasher, 1, PAGES)
    assert.equal(joinHashes(PAGE_BYTES, PAGES - 1, hasher.take()), undefined)
  })

  test('leave the lock page out', () => {
    const pageBytes = 65_536
    const lockPage = lockPageNumber(pageBytes)
    const words = new Uint32Array(2 * (lockPage + 1)).map((_, index) => index)
    const whole = joinHashes(pageBytes, lockPage + 1, [{ path: 'a.db', first: 1, words }])
    words.fill(7, 2 * lockPage - 2, 2 * lockPage)
    const other = joinHashes(pageBytes, lockPage + 1, [{ path: 'a.db', first: 1, words }])
    assert.equal(whole?.pageCount, lockPage + 1)
    assert.equal(whole.value, other?.value)
  })

  test('are not made of pieces that are no whole pages', () => {
    const hasher = new PageHasher()
    const place = { path: 'a.db', id: '', offset: 0, whole: false, pageBytes: PAGE_BYTES }
    hasher.add({ ...place, position: 100, bytes: PAGE_BYTES }, base.subarray(0, PAGE_BYTES))
    hasher.add({ ...place, position: 0, bytes: 100 }, base.subarray(0, 100))
    assert.deepEqual(hasher.take(), [])
  })
})
