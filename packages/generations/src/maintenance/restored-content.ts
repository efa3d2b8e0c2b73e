import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { chunkIdOf } from '../format/chunk-id.ts'
import { type Content, contentBytes, type Part } from '../format/content.ts'
import { decodeContentList, encodeContentList } from '../format/content-list.ts'
import type { DatabaseEntry } from '../format/entry.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import { DatabaseChecksum } from '../sqlite/page-checksum.ts'
import type { ByteSpan } from '../stage/segments.ts'

const WINDOW_BYTES = 1 << 20

/** An open file of a restored tree. */
export interface RestoredFile {
  readonly fd: number
  /** Where it has data, if it has holes; absent: everywhere. */
  readonly spans: readonly ByteSpan[] | undefined
}

/** Runs `read` on a file, opened without following a link. */
export async function withFile<T>(path: string | Buffer, read: (fd: number) => Promise<T>): Promise<T> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return await read(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * The content of a file as its bytes say, cut where the recorded content is cut: equal to it if and only if the bytes
 * are those that were committed. A part that ends early, and a hole with data, come out as something else.
 */
export async function contentOf(
  chunks: ChunkReader,
  file: RestoredFile,
  recorded: Content,
): Promise<Content> {
  const parts: Part[] = []
  let position = 0
  for (const part of recorded) {
    parts.push(await partAt(chunks, file, { part, position }))
    position += part.bytes
  }
  const rest = fstatSync(file.fd).size - position
  return rest > 0 ? [...parts, { kind: 'hole', bytes: rest }] : parts
}

async function partAt(
  chunks: ChunkReader,
  file: RestoredFile,
  { part, position }: { readonly part: Part; readonly position: number },
): Promise<Part> {
  switch (part.kind) {
    case 'chunk':
      return chunkAt(file, part.bytes, position)
    case 'hole':
      return isZero(file, { start: position, end: position + part.bytes })
        ? part
        : { kind: 'chunk', bytes: part.bytes, id: '' }
    case 'list': {
      const inside: Part[] = []
      let at = position
      for (const each of decodeContentList(await chunks.read(part.id), part.bytes)) {
        inside.push(await partAt(chunks, file, { part: each, position: at }))
        at += each.bytes
      }
      const list = encodeContentList(inside)
      return { kind: 'list', bytes: contentBytes(inside), id: list.id }
    }
  }
}

function chunkAt({ fd }: RestoredFile, bytes: number, position: number): Part {
  const buffer = Buffer.allocUnsafeSlow(bytes)
  const read = readFully(fd, buffer, position)
  return { kind: 'chunk', bytes: Math.max(1, read), id: chunkIdOf(buffer.subarray(0, read)) }
}

function isZero({ fd, spans }: RestoredFile, hole: ByteSpan): boolean {
  const bytes = fstatSync(fd).size
  if (bytes < hole.end) return false
  const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  for (const span of spans ?? [{ start: 0, end: bytes }]) {
    const end = Math.min(span.end, hole.end)
    for (let at = Math.max(span.start, hole.start); at < end; at += WINDOW_BYTES) {
      const read = readFully(fd, window.subarray(0, Math.min(WINDOW_BYTES, end - at)), at)
      if (window.subarray(0, read).some((byte) => byte !== 0)) return false
    }
  }
  return true
}

/** The state of a database as the pages of its file say. */
export function databaseStateOf(
  fd: number,
  { pageBytes }: DatabaseEntry,
): Pick<DatabaseEntry, 'pageCount' | 'checksum'> {
  const checksum = new DatabaseChecksum(pageBytes)
  const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  const fileBytes = fstatSync(fd).size
  for (let offset = 0; offset < fileBytes; offset += WINDOW_BYTES) {
    const read = readFully(fd, window, offset)
    for (let at = 0; at + pageBytes <= read; at += pageBytes) {
      const page = (offset + at) / pageBytes + 1
      if (page === checksum.nextPage) checksum.replacePage(page, window.subarray(at, at + pageBytes))
    }
  }
  const pageCount = fileBytes / pageBytes
  if (pageCount === checksum.pageCount + 1) checksum.resize(Math.min(pageCount, checksum.nextPage - 1))
  return { pageCount, checksum: checksum.value }
}

function readFully(fd: number, buffer: Buffer, position: number): number {
  let filled = 0
  while (filled < buffer.length) {
    const read = readSync(fd, buffer, filled, buffer.length - filled, position + filled)
    if (read === 0) break
    filled += read
  }
  return filled
}
