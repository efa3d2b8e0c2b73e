import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Content } from '../format/content.ts'
import { contentBytes } from '../format/content.ts'
import type { DatabaseEntry, Entry } from '../format/entry.ts'
import { restoreDatabase } from '../restore/restore-database.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import type { ChunkReader } from './chunk-reader.ts'

/** A hole is handed out in pieces of at most this size. */
const HOLE_PIECE_BYTES = 1 << 20

/** How many bytes a person sees in an entry; 0 for a directory. */
export function entryBytes(entry: Entry): number {
  switch (entry.kind) {
    case 'file':
      return contentBytes(entry.content)
    case 'database':
      return entry.pageBytes * entry.pageCount
    case 'symlink':
      return entry.target.length
    case 'directory':
      return 0
  }
}

/**
 * The bytes of a content in order, or those from `start` up to `end`; each chunk is proven against its id. Rejects as
 * `ChunkReader.read` does.
 */
export async function* readContentParts(
  chunks: ChunkReader,
  content: Content,
  { start, end }: { readonly start: number; readonly end: number } = { start: 0, end: contentBytes(content) },
): AsyncGenerator<Uint8Array> {
  let position = 0
  for (const part of await chunks.flatten(content)) {
    const from = Math.max(start - position, 0)
    const to = Math.min(end - position, part.bytes)
    position += part.bytes
    if (from >= to) continue
    if (part.kind === 'chunk') yield (await chunks.read(part.id)).subarray(from, to)
    for (let left = part.kind === 'hole' ? to - from : 0; left > 0; left -= HOLE_PIECE_BYTES)
      yield Buffer.alloc(Math.min(left, HOLE_PIECE_BYTES))
  }
}

/**
 * Makes the database of an entry as `name` in `directory`, proven against its checksum. Rejects with
 * `database-corrupt` or as reading chunks does.
 */
export async function writeDatabase(
  chunks: ChunkReader,
  entry: DatabaseEntry,
  target: { readonly directory: string; readonly name: string },
): Promise<string> {
  const path = join(target.directory, target.name)
  await writeContent(chunks, entry.base, path)
  using directory = new SourceDirectory(target.directory)
  await restoreDatabase(chunks, directory, { path: target.name, entry, hashed: [] })
  return path
}

/** Makes a new file with a content; holes stay holes. */
export async function writeContent(
  chunks: ChunkReader,
  content: Content,
  path: string | Buffer,
): Promise<void> {
  const fd = openSync(path, 'wx', 0o600)
  try {
    let position = 0
    for (const part of await chunks.flatten(content)) {
      if (part.kind === 'chunk') writeAll(fd, await chunks.read(part.id), position)
      position += part.bytes
    }
    ftruncateSync(fd, position)
  } finally {
    closeSync(fd)
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let written = 0; written < bytes.length; )
    written += writeSync(fd, bytes, written, bytes.length - written, position + written)
}
