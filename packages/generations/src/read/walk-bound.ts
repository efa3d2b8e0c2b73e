import { Failure } from '@holdfast/base/failure'
import type { ByteString } from '../format/byte-string.ts'
import { type ChunkId, chunkIdToHex } from '../format/chunk-id.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { readDirectory } from './tree-reader.ts'

/** More names than this no walk follows: a Map, which every walk fills by directory, ends there too. */
const NAMES_MAX = 2 ** 24
/** As deep as the survey of a commit goes. */
const PATH_BYTES_MAX = 16 * 1024
/** Names that are met again, with their directory, before the whole tree is counted. */
const REPEATS_MAX = 10_000

/** A tree that a walk starts from. */
export interface BoundedTree {
  /** The node of its top directory. */
  readonly node: ChunkId
  /** Files and databases that its record counts, each name for itself; absent: not known. */
  readonly files?: number | undefined
}

/** What lies below one directory. */
interface Extent {
  readonly names: number
  readonly files: number
}

interface Directory {
  readonly own: Extent
  readonly below: readonly ChunkId[]
}

/**
 * Keeps the walk of a tree that anybody may have written as small as what was committed. Equal directories are stored
 * once, so a few hundred bytes can describe 2^60 files; as long as none is met twice, a tree is no larger than its
 * store. When many are, the tree is counted, each distinct directory once, before the walk goes on.
 */
export class WalkBound {
  readonly #chunks: ChunkReader
  readonly #trees: readonly BoundedTree[]
  readonly #met = new Set<ChunkId>()
  #repeats = 0
  #isCounted = false

  constructor(chunks: ChunkReader, trees: readonly BoundedTree[]) {
    this.#chunks = chunks
    this.#trees = trees
  }

  /**
   * To be called for each directory that was read, before what is in it is followed; `names`: how many it has. Rejects
   * with `object-corrupt`, and as reading does.
   */
  async enter(path: ByteString, node: ChunkId, names: number): Promise<void> {
    if (path.length > PATH_BYTES_MAX) throw corrupt('a directory lies deeper than any commit goes', node)
    if (this.#met.has(node)) this.#repeats += 1 + names
    else this.#met.add(node)
    if (this.#isCounted || this.#repeats < REPEATS_MAX) return
    this.#isCounted = true
    const known = new Map<ChunkId, Extent>()
    for (const tree of this.#trees) checkExtent(await extentOf(this.#chunks, tree.node, known), tree)
  }
}

function checkExtent(extent: Extent, { node, files = NAMES_MAX }: BoundedTree): void {
  if (extent.names > NAMES_MAX) throw corrupt('a tree of more names than any commit has', node)
  if (extent.files > files) throw corrupt('a tree of more files than its record counts', node)
}

/** Counts below a directory, leaves first and each distinct one once. A directory cannot hold itself: ids are hashes. */
async function extentOf(chunks: ChunkReader, top: ChunkId, known: Map<ChunkId, Extent>): Promise<Extent> {
  const open = new Map<ChunkId, Directory>()
  const waiting = [top]
  for (let node = waiting.at(-1); node !== undefined; node = waiting.at(-1)) {
    const directory = open.get(node) ?? (await openDirectory(chunks, node))
    open.set(node, directory)
    const uncounted = new Set(directory.below.filter((child) => !known.has(child)))
    for (const child of uncounted) waiting.push(child)
    if (uncounted.size > 0) continue
    known.set(node, sumOf([directory.own, ...directory.below.map((child) => known.get(child))]))
    open.delete(node)
    while (known.has(waiting.at(-1) ?? '')) waiting.pop()
  }
  return known.get(top) ?? sumOf([])
}

async function openDirectory(chunks: ChunkReader, node: ChunkId): Promise<Directory> {
  const entries = await readDirectory(chunks, node)
  const below = entries.flatMap((entry) => (entry.kind === 'directory' ? [entry.node] : []))
  const files = entries.filter(({ kind }) => kind === 'file' || kind === 'database').length
  return { own: { names: entries.length, files }, below }
}

function sumOf(extents: readonly (Extent | undefined)[]): Extent {
  let names = 0
  let files = 0
  for (const extent of extents) {
    names += extent?.names ?? 0
    files += extent?.files ?? 0
  }
  return { names, files }
}

function corrupt(said: string, node: ChunkId): Failure {
  return new Failure('object-corrupt', said, { node: chunkIdToHex(node) })
}
