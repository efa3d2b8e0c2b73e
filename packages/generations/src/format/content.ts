import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { CHUNK_ID_BYTES, type ChunkId } from './chunk-id.ts'

/**
 * The bytes of a file as a sequence of parts. A `list` stands for the parts in another chunk, so that a large file
 * that changes in one place rewrites one list only.
 *
 *     content := varint parts, part*
 *     part    := u8 kind, varint bytes, [32-byte id]      kind 0 hole, 1 chunk, 2 list
 */
export type Part =
  | { readonly kind: 'hole'; readonly bytes: number }
  | { readonly kind: 'chunk'; readonly bytes: number; readonly id: ChunkId }
  | { readonly kind: 'list'; readonly bytes: number; readonly id: ChunkId }

export type Content = readonly Part[]

const HOLE = 0
const CHUNK = 1
const LIST = 2

export function contentBytes(content: Content): number {
  let bytes = 0
  for (const part of content) bytes += part.bytes
  return bytes
}

export function writeContent(writer: ByteWriter, content: Content): void {
  writer.varint(content.length)
  for (const part of content) {
    switch (part.kind) {
      case 'hole':
        writer.u8(HOLE).varint(part.bytes)
        break
      case 'chunk':
        writer.u8(CHUNK).varint(part.bytes).latin1(part.id)
        break
      case 'list':
        writer.u8(LIST).varint(part.bytes).latin1(part.id)
        break
    }
  }
}

export function readContent(reader: ByteReader): Content {
  const parts: Part[] = []
  const count = reader.count(2)
  for (let index = 0; index < count; index++) parts.push(readPart(reader))
  if (!Number.isSafeInteger(contentBytes(parts))) reader.fail('a file is too large')
  return parts
}

function readPart(reader: ByteReader): Part {
  const kind = reader.u8()
  const bytes = reader.varint()
  if (bytes === 0) reader.fail('a part of a file is empty')
  if (kind === HOLE) return { kind: 'hole', bytes }
  if (kind === CHUNK) return { kind: 'chunk', bytes, id: reader.latin1(CHUNK_ID_BYTES) }
  if (kind === LIST) return { kind: 'list', bytes, id: reader.latin1(CHUNK_ID_BYTES) }
  return reader.fail(`a part of a file has the unknown kind ${kind}`)
}
