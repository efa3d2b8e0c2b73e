import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { encodePageDelta, type PageDelta, pageDeltaBytes, parsePageDelta } from './page-delta.ts'
import { pageHash } from './page-hash.ts'

const pageBytes = 512

function deltaOf(parts: { before: number; after: number; pages: readonly number[] }): PageDelta {
  return {
    pageBytes,
    pageCountBefore: parts.before,
    pageCountAfter: parts.after,
    checksumBefore: '0123456789abcdef',
    checksumAfter: 'fedcba9876543210',
    pages: parts.pages.map((page) => {
      const bytes = new Uint8Array(pageBytes).fill(page)
      return { page, hash: pageHash(bytes), bytes }
    }),
  }
}

/** The bytes with one word changed and the head's hash made right. */
function rewritten(delta: PageDelta, offset: number, word: number): Uint8Array {
  const bytes = Buffer.from(encodePageDelta(delta))
  bytes.writeUInt32BE(word, offset)
  const digestAt = 40 + 12 * delta.pages.length
  bytes.set(hash('sha256', bytes.subarray(0, digestAt), 'buffer').subarray(0, 8), digestAt)
  return bytes
}

test('a delta comes back as it was', () => {
  for (const parts of [
    { before: 0, after: 0, pages: [] },
    { before: 0, after: 3, pages: [1, 2, 3] },
    { before: 9, after: 4, pages: [2, 4] },
    { before: 5, after: 6, pages: [1, 6] },
  ]) {
    const delta = deltaOf(parts)
    const bytes = encodePageDelta(delta)
    assert.equal(bytes.byteLength, pageDeltaBytes(pageBytes, parts.pages.length))
    assert.deepEqual(parsePageDelta(bytes), delta)
  }
})

test('the layout is the documented one', () => {
  const bytes = Buffer.from(encodePageDelta(deltaOf({ before: 1, after: 2, pages: [2] })))
  assert.equal(
    bytes.subarray(0, 44).toString('hex'),
    '48465044000100000000020000000001000000020000000101' + '23456789abcdeffedcba987654321000000002',
  )
  assert.deepEqual(bytes.subarray(60), Buffer.alloc(512, 2))
})

test('bytes of another kind, version or shape are refused by name', () => {
  const delta = deltaOf({ before: 5, after: 6, pages: [1, 6] })
  const good = encodePageDelta(delta)
  const cases: readonly (readonly [Uint8Array, string])[] = [
    [new Uint8Array(), 'foreign-format'],
    [good.subarray(0, 39), 'foreign-format'],
    [rewritten(delta, 0, 0x4c54_5831), 'foreign-format'],
    [rewritten(delta, 4, 2 << 16), 'version-unknown'],
    [good.subarray(0, -1), 'object-corrupt'],
    [Buffer.concat([good, Buffer.of(0)]), 'object-corrupt'],
    [rewritten(delta, 8, 513), 'object-corrupt'],
    [rewritten(delta, 12, 0xffff_ffff), 'object-corrupt'],
    [rewritten(delta, 16, 5), 'object-corrupt'],
    [rewritten(delta, 16, 7), 'object-corrupt'],
    [rewritten(delta, 20, 0xffff_ffff), 'object-corrupt'],
    [rewritten(delta, 40, 0), 'object-corrupt'],
    [rewritten(delta, 40, 6), 'object-corrupt'],
    [rewritten(delta, 44, 5), 'object-corrupt'],
  ]
  for (const [bytes, code] of cases) {
    assert.throws(
      () => parsePageDelta(bytes),
      (error) => isFailure(error) && error.code === code,
      code,
    )
  }
})

test('any changed byte of the head is found', () => {
  const bytes = encodePageDelta(deltaOf({ before: 5, after: 6, pages: [1, 6] }))
  for (let at = 0; at < 40 + 24 + 8; at++) {
    const damaged = bytes.slice()
    damaged[at] = (damaged[at] ?? 0) ^ 0x40
    assert.throws(
      () => parsePageDelta(damaged),
      (error) => isFailure(error),
      `byte ${at}`,
    )
  }
})
