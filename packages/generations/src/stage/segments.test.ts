import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { ChunkId } from '../format/chunk-id.ts'
import { type Content, contentBytes, type Part } from '../format/content.ts'
import { decodeContentList } from '../format/content-list.ts'
import {
  type ByteSpan,
  covers,
  joinSegments,
  reusableParts,
  SEGMENT_BYTES,
  segmentsOf,
  spillLists,
} from './segments.ts'

/** Data spans of a file, ascending and apart from one another, and its size. */
const layouts = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 0, max: 6 * SEGMENT_BYTES }), { minLength: 2, maxLength: 12 }),
    fc.nat(SEGMENT_BYTES),
  )
  .map(([edges, hole]) => {
    const sorted = edges.sort((a, b) => a - b)
    const spans: ByteSpan[] = []
    for (let at = 0; at + 1 < sorted.length; at += 2)
      spans.push({ start: sorted[at] ?? 0, end: sorted[at + 1] ?? 0 })
    return { spans, bytes: (spans.at(-1)?.end ?? 0) + hole }
  })

/** Cuts each segment into chunks whose ids name their place, so that what a part stands for can be read off it. */
function stage(spans: readonly ByteSpan[], bytes: number, chunkBytes: number): Part[] {
  const staged = segmentsOf(spans).map((span) => ({ span, parts: cut(span, chunkBytes) }))
  return joinSegments(staged, bytes)
}

function cut({ start, end }: ByteSpan, chunkBytes: number): Part[] {
  const parts: Part[] = []
  for (let at = start; at < end; at += chunkBytes) {
    const bytes = Math.min(chunkBytes, end - at)
    parts.push({ kind: 'chunk', bytes, id: String(at).padStart(32, '0') })
  }
  return parts
}

/** Where every chunk of a content lies, with its lists opened. */
function placesOf(content: Content, lists: ReadonlyMap<ChunkId, Uint8Array>): Map<number, string> {
  const places = new Map<number, string>()
  let position = 0
  const visit = (part: Part): void => {
    if (part.kind === 'list') {
      for (const inner of decodeContentList(lists.get(part.id) ?? new Uint8Array(), part.bytes)) visit(inner)
      return
    }
    if (part.kind === 'chunk') places.set(position, part.id)
    position += part.bytes
  }
  for (const part of content) visit(part)
  return places
}

describe('a large file in segments', () => {
  test('is read exactly where it has data, in windows that no segment crosses', () => {
    fc.assert(
      fc.property(layouts, ({ spans }) => {
        const segments = segmentsOf(spans)
        for (const { start, end } of segments) {
          assert.ok(end > start)
          assert.equal(Math.floor(start / SEGMENT_BYTES), Math.floor((end - 1) / SEGMENT_BYTES))
        }
        const total = (list: readonly ByteSpan[]) =>
          list.reduce((sum, { start, end }) => sum + end - start, 0)
        assert.equal(total(segments), total(spans))
        for (const { start, end } of segments)
          assert.ok(spans.some((span) => span.start <= start && end <= span.end))
      }),
    )
  })

  test('has every chunk at its place and its whole size, whether its parts were moved into lists or not', () => {
    fc.assert(
      fc.property(
        layouts,
        fc.integer({ min: 100_000, max: SEGMENT_BYTES }),
        ({ spans, bytes }, chunkBytes) => {
          const content = stage(spans, bytes, chunkBytes)
          assert.equal(contentBytes(content), bytes)
          const lists = new Map<ChunkId, Uint8Array>()
          const spilled = spillLists(content, (node) => lists.set(node.id, node.bytes))
          assert.equal(contentBytes(spilled), bytes)
          const places = placesOf(spilled, lists)
          assert.deepEqual(places, placesOf(content, new Map()))
          for (const [position, id] of places) assert.equal(position, Number(id))
        },
      ),
    )
  })

  test('keeps the lists that no changed range touches, and only these', () => {
    const bytes = 5 * SEGMENT_BYTES
    const spans = [{ start: 0, end: bytes }]
    const content = spillLists(stage(spans, bytes, 500_000), () => {})
    const ranges = fc.uniqueArray(fc.nat(bytes), { maxLength: 8 }).map((edges) => {
      const sorted = edges.sort((a, b) => a - b)
      return sorted.map(
        (start, index): ByteSpan => ({ start, end: Math.min(start + 1000, sorted[index + 1] ?? bytes) }),
      )
    })
    fc.assert(
      fc.property(ranges, (changed) => {
        const reusable = reusableParts(content, changed)
        for (const segment of segmentsOf(spans)) {
          const isTouched = changed.some(({ start, end }) => start < segment.end && end > segment.start)
          assert.equal(covers(reusable.get(segment.start), segment), !isTouched)
        }
      }),
    )
  })

  test('that grew or shrank reads the segment at its end again', () => {
    const content = spillLists(
      stage([{ start: 0, end: 3 * SEGMENT_BYTES - 5 }], 3 * SEGMENT_BYTES - 5, 500_000),
      () => {},
    )
    const kept = reusableParts(content, [])
    for (const end of [3 * SEGMENT_BYTES, 3 * SEGMENT_BYTES - 6]) {
      const segments = segmentsOf([{ start: 0, end }])
      assert.deepEqual(
        segments.map((segment) => covers(kept.get(segment.start), segment)),
        [true, true, false],
      )
    }
  })

  test('of few parts has no list', () => {
    const content = stage([{ start: 0, end: SEGMENT_BYTES }], SEGMENT_BYTES, SEGMENT_BYTES / 4)
    assert.equal(
      spillLists(content, () => assert.fail('a list')),
      content,
    )
  })
})
