import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { applyPageDelta } from './apply-delta.ts'
import { DatabaseChecksum } from './page-checksum.ts'
import { encodePageDelta, type PageDelta, parsePageDelta } from './page-delta.ts'

const pageBytes = 512

/** Pages by their content, one byte each: enough to tell databases apart. */
type Contents = readonly number[]

function page(content: number): Uint8Array {
  return new Uint8Array(pageBytes).fill(content)
}

function checksumOf(contents: Contents): DatabaseChecksum {
  const checksum = new DatabaseChecksum(pageBytes)
  contents.forEach((content, index) => {
    checksum.replacePage(index + 1, page(content))
  })
  return checksum
}

function deltaBetween(before: Contents, after: Contents): PageDelta {
  const checksum = checksumOf(after)
  const numbers = after.flatMap((content, index) => (before[index] === content ? [] : [index + 1]))
  return {
    pageBytes,
    pageCountBefore: before.length,
    pageCountAfter: after.length,
    checksumBefore: checksumOf(before).value,
    checksumAfter: checksum.value,
    pages: numbers.map((number) => ({
      page: number,
      hash: checksum.hashOf(number),
      bytes: page(after[number - 1] ?? 0),
    })),
  }
}

/** What a writer of whole pages holds after `delta`. */
function applied(before: Contents, delta: PageDelta): { contents: Contents; calls: number } {
  const checksum = checksumOf(before)
  const contents = [...before]
  let calls = 0
  applyPageDelta(checksum, delta, (firstPage, bytes) => {
    calls++
    for (let at = 0; at < bytes.byteLength; at += pageBytes) {
      contents[firstPage - 1 + at / pageBytes] = bytes[at] ?? -1
    }
  })
  return { contents: contents.slice(0, checksum.pageCount), calls }
}

const database = fc.array(fc.nat(3), { maxLength: 10 })

test('a base and its delta give the later database', () => {
  fc.assert(
    fc.property(database, database, (before, after) => {
      const delta = parsePageDelta(encodePageDelta(deltaBetween(before, after)))
      assert.deepEqual(applied(before, delta).contents, after)
    }),
    { seed: 11 },
  )
})

test('a delta for another base, with a damaged page or a wrong result is refused', () => {
  const before = [1, 2, 3]
  const delta = deltaBetween(before, [1, 9, 3, 4])
  const damagedPages = delta.pages.map((entry, index) => (index === 0 ? { ...entry, bytes: page(8) } : entry))
  const refused: readonly (readonly [Contents, PageDelta])[] = [
    [[1, 2, 4], delta],
    [[1, 2], delta],
    [before, { ...delta, pageBytes: 1024 }],
    [before, { ...delta, pages: damagedPages }],
    [before, { ...delta, checksumAfter: '0000000000000001' }],
  ]
  for (const [base, wrong] of refused) {
    assert.throws(
      () => applied(base, wrong),
      (error) => isFailure(error, 'database-corrupt'),
    )
  }
  assert.deepEqual(applied(before, delta).contents, [1, 9, 3, 4])
})

test('no byte of a page is handed on before the page is proven', () => {
  const delta = deltaBetween([], [1, 2, 3])
  const bytes = encodePageDelta(delta)
  bytes[bytes.byteLength - 1] = 7
  const written: number[] = []
  assert.throws(() => {
    applyPageDelta(new DatabaseChecksum(pageBytes), parsePageDelta(bytes), (first) => written.push(first))
  })
  assert.deepEqual(written, [])
})

test('pages that follow one another are written in one call', () => {
  const after = Array.from({ length: 40 }, (_, index) => index)
  const delta = parsePageDelta(encodePageDelta(deltaBetween([], after)))
  assert.equal(applied([], delta).calls, 1)
  const gap = parsePageDelta(encodePageDelta(deltaBetween([0, 0, 0, 0], [1, 1, 0, 1])))
  assert.equal(applied([0, 0, 0, 0], gap).calls, 2)
})
