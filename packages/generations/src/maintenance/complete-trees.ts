import { isFailure } from '@holdfast/base/failure'
import type { ChunkId } from '../format/chunk-id.ts'
import type { ChunkIndex } from '../format/chunk-index.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import { childrenOf, type GraphChunk, rootOf } from './chunk-graph.ts'

/** Tells which trees have all their chunks somewhere; subtrees that trees have in common are looked at once. */
export class CompleteTrees {
  readonly #chunks: { readonly index: ChunkIndex; readonly reader: ChunkReader }
  readonly #known = new Map<string, boolean>()

  constructor(chunks: { readonly index: ChunkIndex; readonly reader: ChunkReader }) {
    this.#chunks = chunks
  }

  /** True if the tree under `root` can be read and each of its chunks is in some pack. */
  has(root: ChunkId): Promise<boolean> {
    return this.#hasAll(rootOf(root))
  }

  async #hasAll(chunk: GraphChunk): Promise<boolean> {
    if (this.#chunks.index.find(chunk.id) === undefined) return false
    if (chunk.role === 'content') return true
    const key = `${chunk.role}${chunk.id}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const complete = await this.#hasChildren(chunk)
    this.#known.set(key, complete)
    return complete
  }

  async #hasChildren(chunk: GraphChunk): Promise<boolean> {
    try {
      for (const child of await childrenOf(this.#chunks.reader, chunk))
        if (!(await this.#hasAll(child))) return false
      return true
    } catch (error) {
      if (isFailure(error) && error.kind === 'broken') return false
      throw error
    }
  }
}
