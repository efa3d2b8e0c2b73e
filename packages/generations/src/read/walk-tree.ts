import { type ByteString, joinPath } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import type { Entry } from '../format/entry.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { readDirectory, readRoot } from './tree-reader.ts'
import { WalkBound } from './walk-bound.ts'

export interface WalkedEntry {
  /** Relative to the root; the root directory itself has the empty path. */
  readonly path: ByteString
  readonly entry: Entry
}

/**
 * Every entry of a generation: a directory before what is in it. `files`: as many as its record counts. Rejects as
 * reading does, and as `WalkBound` does before a tree grows beyond what any commit writes.
 */
export async function* walkTree(
  chunks: ChunkReader,
  root: ChunkId,
  files?: number,
): AsyncGenerator<WalkedEntry> {
  const top = await readRoot(chunks, root)
  yield { path: '', entry: top }
  const bound = new WalkBound(chunks, [{ node: top.node, files }])
  const waiting: { path: ByteString; node: ChunkId }[] = [{ path: '', node: top.node }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const entries = await readDirectory(chunks, next.node)
    await bound.enter(next.path, next.node, entries.length)
    for (const entry of entries) {
      const path = joinPath(next.path, entry.name)
      yield { path, entry }
      if (entry.kind === 'directory') waiting.push({ path, node: entry.node })
    }
  }
}
