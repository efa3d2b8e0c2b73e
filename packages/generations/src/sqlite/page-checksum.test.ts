import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import fc from 'fast-check'
import { parseChecksum, serialiseChecksum } from './checksum-cache.ts'
import { lockPageNumber } from './database-header.ts'
import { DatabaseChecksum, emptyDatabaseChecksum } from './page-checksum.ts'
import { pageHash, pageShare } from './page-hash.ts'

const pageBytes = 512
const GOLDEN = { high: 2_587_120_683, low: 3_801_313_406 }

function page(content: number): Uint8Array {
  return new Uint8Array(pageBytes).fill(content)
}

function checksumOf(contents: readonly number[]): DatabaseChecksum {
  const checksum = new DatabaseChecksum(pageBytes)
  contents.forEach((content, index) => {
    checksum.replacePage(index + 1, page(content))
  })
  return checksum
}

test('the hash of a page is part of the format', () => {
  const counted = Uint8Array.from({ length: pageBytes }, (_, index) => index & 0xff)
  assert.deepEqual(pageHash(counted), GOLDEN)
  const unaligned = new Uint8Array(pageBytes + 3)
  unaligned.set(counted, 3)
  assert.deepEqual(pageHash(unaligned.subarray(3)), GOLDEN, 'wherever the page lies in memory')
})

test('every flipped bit and every exchanged word changes both words of the hash', () => {
  const bytes = Uint8Array.from({ length: pageBytes }, (_, index) => (index * 37) & 0xff)
  const before = pageHash(bytes)
  const seen = new Set<string>([`${before.high}:${before.low}`])
  for (let bit = 0; bit < pageBytes * 8; bit++) {
    bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
    const { high, low } = pageHash(bytes)
    assert.ok(high !== before.high && low !== before.low, `bit ${bit}`)
    seen.add(`${high}:${low}`)
    bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
  }
  assert.equal(seen.size, pageBytes * 8 + 1)
  const exchanged = bytes.slice()
  exchanged.copyWithin(0, 16, 32)
  exchanged.set(bytes.subarray(0, 16), 16)
  assert.notDeepEqual(pageHash(exchanged), before)
})

test('changes within one lane of the hash do not collide', () => {
  const bytes = new Uint8Array(pageBytes)
  const words = new Uint32Array(bytes.buffer)
  const draw = seededNumbers(20_261_121)
  const seen = new Set<string>()
  const rounds = 200_000
  for (let round = 0; round < rounds; round++) {
    words[100] = Math.floor(draw() * 0x1_0000_0000)
    words[104] = Math.floor(draw() * 0x1_0000_0000)
    const { high, low } = pageHash(bytes)
    seen.add(`${high}:${low}`)
  }
  assert.equal(seen.size, rounds, 'with 32 bits about five of them would collide')
})

test('the value depends on the pages alone, not on the way to them', () => {
  const contents = fc.array(fc.nat(3), { maxLength: 12 })
  fc.assert(
    fc.property(contents, contents, (from, to) => {
      const checksum = checksumOf(from)
      checksum.resize(Math.min(from.length, to.length))
      to.forEach((content, index) => {
        const changed = checksum.replacePage(index + 1, page(content))
        assert.equal(changed, index >= from.length || from[index] !== content)
      })
      assert.equal(checksum.value, checksumOf(to).value)
      assert.equal(checksum.pageCount, to.length)
    }),
    { seed: 3 },
  )
})

test('pages that change places, repeat or vanish change the value', () => {
  const lists = [[], [1], [1, 1], [1, 1, 1], [1, 2], [2, 1], [1, 2, 1, 2], [2, 1, 2, 1]]
  assert.equal(new Set(lists.map((list) => checksumOf(list).value)).size, lists.length)
  assert.equal(checksumOf([]).value, emptyDatabaseChecksum)
})

test('the share of a page number loses nothing of the hash', () => {
  const shares = new Set<string>()
  for (let high = 0; high < 100; high++) {
    for (let low = 0; low < 100; low++) {
      const share = pageShare(9, { high, low })
      shares.add(`${share.high} ${share.low}`)
    }
  }
  assert.equal(shares.size, 10_000)
})

test('a clone goes its own way', () => {
  const original = checksumOf([1, 2, 3])
  const { value } = original
  const copy = original.clone()
  copy.replacePage(2, page(9))
  copy.resize(2)
  assert.equal(original.value, value)
  assert.equal(copy.value, checksumOf([1, 9]).value)
})

test('the lock page is passed over while the database grows and shrinks', () => {
  const large = new DatabaseChecksum(65_536)
  const lockPage = lockPageNumber(65_536)
  for (let number = 1; number < lockPage; number++) large.replaceHash(number, { high: number, low: 0 })
  const { value } = large
  large.resize(lockPage)
  assert.deepEqual([large.pageCount, large.value], [lockPage, value])
  large.replaceHash(lockPage + 1, { high: 5, low: 5 })
  assert.notEqual(large.value, value)
  assert.equal(parseChecksum(serialiseChecksum(large)).value, large.value)
  large.resize(lockPage - 1)
  assert.equal(large.value, value)
})

test('a cached table comes back as it was, and a damaged one never', () => {
  const checksum = checksumOf([1, 2, 3, 4, 5])
  const bytes = serialiseChecksum(checksum)
  const parsed = parseChecksum(bytes)
  assert.equal(parsed.value, checksum.value)
  assert.deepEqual(parsed.hashOf(4), checksum.hashOf(4))
  for (let at = 0; at < bytes.byteLength; at++) {
    const damaged = bytes.slice()
    damaged[at] = (damaged[at] ?? 0) ^ 1
    const expected = at < 4 ? 'foreign-format' : at < 6 ? 'version-unknown' : 'object-corrupt'
    assert.throws(
      () => parseChecksum(damaged),
      (error) => isFailure(error, expected),
    )
    assert.throws(
      () => parseChecksum(bytes.slice(0, at)),
      (error) => isFailure(error),
    )
  }
})
