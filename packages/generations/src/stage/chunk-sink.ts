import { type ChunkId, chunkIdOf } from '../format/chunk-id.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import type { FrameGroup, PackBuilder } from '../format/pack-builder.ts'
import type { EncodedNode } from '../format/tree-node.ts'

/** Takes the chunks of a commit: known ones are only noted, new ones go into packs. */
export class ChunkSink {
  readonly #known: ChunkIndex
  readonly #builder: PackBuilder
  readonly #added = new Set<ChunkId>()
  readonly #usedPacks = new Set<string>()

  constructor(known: ChunkIndex, builder: PackBuilder) {
    this.#known = known
    this.#builder = builder
  }

  /** Packs that hold a chunk which this commit uses and did not upload. */
  get usedPacks(): ReadonlySet<string> {
    return this.#usedPacks
  }

  has(id: ChunkId): boolean {
    if (this.#added.has(id)) return true
    const found = this.#known.find(id)
    if (found === undefined) return false
    this.#usedPacks.add(ChunkIndex.packName(found))
    return true
  }

  /** Puts a chunk and returns its id; the bytes are copied where they are new. */
  put(bytes: Uint8Array, group: FrameGroup): ChunkId {
    const id = chunkIdOf(bytes)
    this.#putAs(id, bytes, group)
    return id
  }

  putNode(node: EncodedNode): void {
    this.#putAs(node.id, node.bytes, 'tree')
  }

  #putAs(id: ChunkId, bytes: Uint8Array, group: FrameGroup): void {
    if (this.has(id)) return
    this.#added.add(id)
    this.#builder.add(id, bytes, group)
  }
}
