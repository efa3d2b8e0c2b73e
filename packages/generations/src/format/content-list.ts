import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { chunkIdOf } from './chunk-id.ts'
import { type Content, contentBytes, readContent, writeContent } from './content.ts'
import type { EncodedNode } from './tree-node.ts'

/*
 * The parts of one segment of a large file, stored as a chunk of its own.
 *
 *     list := u8 1, content
 */
const LIST_VERSION = 1

export function encodeContentList(parts: Content): EncodedNode & { readonly covers: number } {
  const writer = new ByteWriter(parts.length * 40 + 16)
  writeContent(writer.u8(LIST_VERSION), parts)
  const bytes = writer.finish()
  return { id: chunkIdOf(bytes), bytes, covers: contentBytes(parts) }
}

/** Rejects with `object-corrupt` unless the parts are chunks and holes of `covers` bytes together. */
export function decodeContentList(bytes: Uint8Array, covers: number): Content {
  const reader = new ByteReader(bytes, 'content list')
  if (reader.u8() !== LIST_VERSION) reader.fail('unknown version')
  const parts = readContent(reader)
  reader.end()
  if (contentBytes(parts) !== covers) reader.fail('covers another length than its reference says')
  if (parts.some((part) => part.kind === 'list')) reader.fail('a list within a list')
  return parts
}
