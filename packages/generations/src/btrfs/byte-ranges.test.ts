import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { ByteRanges, type ByteSpan } from './byte-ranges.ts'

const SIZE = 64

const anySpan = fc
  .tuple(fc.nat(SIZE), fc.nat(SIZE))
  .map(([start, end]): ByteSpan => ({ start, end }))
  .filter(({ start, end }) => start <= end)
const anySpans = fc.array(anySpan, { maxLength: 12 })

function bitmapOf(spans: readonly ByteSpan[]): boolean[] {
  return Array.from({ length: SIZE }, (_, at) => spans.some(({ start, end }) => start <= at && at < end))
}

function assertIs(ranges: ByteRanges, bitmap: readonly boolean[]): void {
  const spans = ranges.toArray()
  assert.deepEqual(bitmapOf(spans), bitmap)
  for (const [index, { start, end }] of spans.entries()) {
    assert.ok(start < end, 'no span is empty')
    const next = spans[index + 1]
    assert.ok(next === undefined || end < next.start, 'spans are sorted and do not touch')
  }
  assert.equal(ranges.sizeBytes, bitmap.filter(Boolean).length)
  assert.equal(ranges.isEmpty, !bitmap.includes(true))
}

test('a set made of any spans holds exactly their bytes', () => {
  fc.assert(fc.property(anySpans, (spans) => assertIs(ByteRanges.of(spans), bitmapOf(spans))))
})

test('adding a span adds its bytes and leaves the original as it was', () => {
  fc.assert(
    fc.property(anySpans, anySpan, (spans, span) => {
      const original = ByteRanges.of(spans)
      assertIs(original.add(span), bitmapOf([...spans, span]))
      assertIs(original, bitmapOf(spans))
    }),
  )
})

test('a union holds the bytes of both', () => {
  fc.assert(
    fc.property(anySpans, anySpans, (one, other) => {
      assertIs(ByteRanges.of(one).union(ByteRanges.of(other)), bitmapOf([...one, ...other]))
    }),
  )
})

test('truncating keeps the bytes below the size and no other', () => {
  fc.assert(
    fc.property(anySpans, fc.nat(SIZE), (spans, sizeBytes) => {
      const kept = bitmapOf(spans).map((held, at) => held && at < sizeBytes)
      assertIs(ByteRanges.of(spans).truncate(sizeBytes), kept)
    }),
  )
})

test('spans near the largest safe integer stay exact', () => {
  const end = Number.MAX_SAFE_INTEGER
  assert.deepEqual(
    ByteRanges.empty
      .add({ start: end - 2, end })
      .add({ start: 0, end: 1 })
      .toArray(),
    [
      { start: 0, end: 1 },
      { start: end - 2, end },
    ],
  )
})
