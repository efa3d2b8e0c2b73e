import { Failure } from '@holdfast/base/failure'
import type { ByteString } from '../format/byte-string.ts'
import { type ChunkId, chunkIdToHex } from '../format/chunk-id.ts'
import type { DirectoryEntry, Entry } from '../format/entry.ts'
import { decodeNode, decodeRoot } from '../format/tree-node.ts'
import type { ChunkReader } from './chunk-reader.ts'

/** The root directory of a generation's tree. */
export async function readRoot(chunks: ChunkReader, root: ChunkId): Promise<DirectoryEntry> {
  return decodeRoot(await chunks.read(root))
}

/** The entries of a directory, in name order. Rejects with `object-corrupt`, and as reading chunks does. */
export async function readDirectory(chunks: ChunkReader, node: ChunkId): Promise<Entry[]> {
  const decoded = decodeNode(await chunks.read(node))
  if (decoded.kind === 'leaf') return [...decoded.entries]
  const entries: Entry[] = []
  for (const leaf of decoded.leaves) {
    const group = decodeNode(await chunks.read(leaf))
    const names = group.kind === 'leaf' ? group.entries : []
    if (group.kind !== 'leaf' || (entries.at(-1)?.name ?? '') >= (names[0]?.name ?? ''))
      throw new Failure('object-corrupt', 'the leaves of a directory are not in order', {
        node: chunkIdToHex(node),
      })
    for (const entry of names) entries.push(entry)
  }
  return entries
}

/** The entry at a path, or undefined. */
export async function findEntry(
  chunks: ChunkReader,
  root: ChunkId,
  path: ByteString,
): Promise<Entry | undefined> {
  let found: Entry = await readRoot(chunks, root)
  if (path === '') return found
  for (const name of path.split('/')) {
    if (found.kind !== 'directory') return undefined
    const entry: Entry | undefined = (await readDirectory(chunks, found.node)).find(
      (candidate) => candidate.name === name,
    )
    if (entry === undefined) return undefined
    found = entry
  }
  return found
}
