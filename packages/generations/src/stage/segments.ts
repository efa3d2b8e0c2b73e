import { type Content, contentBytes, type Part } from '../format/content.ts'
import { encodeContentList } from '../format/content-list.ts'
import type { EncodedNode } from '../format/tree-node.ts'

/** Large files are cut into chunks within windows of this size: windows are staged in parallel and skipped by range. */
export const SEGMENT_BYTES = 8 << 20
/** A file of up to this many parts keeps them in its directory entry. */
const PARTS_INLINE_MAX = 16

/** A run of bytes of a file, half open. */
export interface ByteSpan {
  readonly start: number
  readonly end: number
}

/** Where to read a file: its data spans cut at the windows, in order. What lies between them is holes. */
export function segmentsOf(spans: readonly ByteSpan[]): ByteSpan[] {
  const segments: ByteSpan[] = []
  for (const span of spans) {
    for (let start = span.start; start < span.end; ) {
      const end = Math.min(span.end, (Math.floor(start / SEGMENT_BYTES) + 1) * SEGMENT_BYTES)
      segments.push({ start, end })
      start = end
    }
  }
  return segments
}

/** The parts of `segments` in file order with holes between them, up to `bytes`. */
export function joinSegments(
  segments: readonly { readonly span: ByteSpan; readonly parts: Content }[],
  bytes: number,
): Part[] {
  const content: Part[] = []
  let position = 0
  for (const { span, parts } of segments) {
    if (span.start > position) content.push({ kind: 'hole', bytes: span.start - position })
    for (const part of parts) content.push(part)
    position = span.end
  }
  if (bytes > position) content.push({ kind: 'hole', bytes: bytes - position })
  return content
}

/** Moves the parts of each window of a large content into a list chunk, which `put` stores. */
export function spillLists(content: Content, put: (node: EncodedNode) => void): Content {
  if (content.length <= PARTS_INLINE_MAX) return content
  const spilled: Part[] = []
  let group: Part[] = []
  let position = 0
  const close = () => {
    if (group.length > 1 && group.every((part) => part.kind !== 'list')) {
      const list = encodeContentList(group)
      put(list)
      spilled.push({ kind: 'list', bytes: list.covers, id: list.id })
    } else spilled.push(...group)
    group = []
  }
  for (const part of content) {
    group.push(part)
    const before = Math.floor(position / SEGMENT_BYTES)
    position += part.bytes
    if (Math.floor(position / SEGMENT_BYTES) !== before) close()
  }
  close()
  return spilled
}

/** The parts of an earlier content that still hold: those that lie exactly in one segment and touch no changed range. */
export function reusableParts(content: Content, changed: readonly ByteSpan[]): Map<number, Part> {
  const reusable = new Map<number, Part>()
  let position = 0
  let range = 0
  for (const part of content) {
    const end = position + part.bytes
    while (range < changed.length && (changed[range]?.end ?? 0) <= position) range++
    const touched = range < changed.length && (changed[range]?.start ?? 0) < end
    if (!touched && part.kind === 'list') reusable.set(position, part)
    position = end
  }
  return reusable
}

/** True if `part` at a segment's start stands for the whole segment. */
export function covers(part: Part | undefined, segment: ByteSpan): part is Part {
  return part !== undefined && contentBytes([part]) === segment.end - segment.start
}
