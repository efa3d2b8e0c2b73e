import { isFailure } from '@holdfast/base/failure'
import { type ByteString, joinPath } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import type { Entry } from '../format/entry.ts'
import { packKey } from '../format/names.ts'
import { readDirectory, readRoot } from '../read/tree-reader.ts'
import { childrenOf, chunksOfEntry, type GraphChunk, rootOf } from './chunk-graph.ts'
import type { DamageMap } from './damage-map.ts'
import type { ReadableChunks } from './mark-workspace.ts'

type Culprits = ReadonlySet<string>

const NOBODY: Culprits = new Set()

/** Trees of one workspace as far as they can be read, and who is to blame for the rest. Subtrees are looked at once. */
export class HurtTree {
  readonly #chunks: ReadableChunks
  readonly #damage: DamageMap
  readonly #unreadable: readonly string[]
  readonly #directories = new Map<ChunkId, Culprits>()

  /** `unreadable`: who is to blame for a chunk that is in no table. */
  constructor(parts: {
    readonly chunks: ReadableChunks
    readonly damage: DamageMap
    readonly unreadable: readonly string[]
  }) {
    this.#chunks = parts.chunks
    this.#damage = parts.damage
    this.#unreadable = parts.unreadable
  }

  /** The objects without which the tree under a root cannot be restored. */
  async culpritsOf(root: ChunkId): Promise<Culprits> {
    const culprits = this.#ofChunk(root)
    return culprits.size > 0 ? culprits : this.#ofChildren(rootOf(root))
  }

  /** Some paths that one object hurts; the empty path for the root. */
  async pathsHurtBy(object: string, root: ChunkId, pathsMax: number): Promise<readonly ByteString[]> {
    if (this.#ofChunk(root).has(object)) return ['']
    const found: ByteString[] = []
    const top = await readable(() => readRoot(this.#chunks.reader, root))
    if (top === undefined) return ['']
    const waiting: { readonly path: ByteString; readonly node: ChunkId }[] = [{ path: '', node: top.node }]
    for (let next = waiting.pop(); next !== undefined && found.length < pathsMax; next = waiting.pop()) {
      const { node } = next
      const entries = await readable(() => readDirectory(this.#chunks.reader, node))
      if (entries === undefined) {
        found.push(next.path)
        continue
      }
      for (const entry of entries) {
        if (!(await this.#ofEntry(entry)).has(object)) continue
        const path = joinPath(next.path, entry.name)
        if (entry.kind === 'directory') waiting.push({ path, node: entry.node })
        else if (found.length < pathsMax) found.push(path)
      }
    }
    return found
  }

  async #ofDirectory(node: ChunkId): Promise<Culprits> {
    const known = this.#directories.get(node)
    if (known) return known
    const own = this.#ofChunk(node)
    const culprits = own.size > 0 ? own : await this.#ofChildren({ id: node, role: 'node', covers: 0 })
    this.#directories.set(node, culprits)
    return culprits
  }

  async #ofEntry(entry: Entry): Promise<Culprits> {
    return this.#ofAll(chunksOfEntry(entry))
  }

  async #ofAll(chunks: readonly GraphChunk[]): Promise<Culprits> {
    const culprits = new Set<string>()
    for (const chunk of chunks) for (const object of await this.#ofPart(chunk)) culprits.add(object)
    return culprits
  }

  async #ofPart(chunk: GraphChunk): Promise<Culprits> {
    if (chunk.role === 'node') return this.#ofDirectory(chunk.id)
    const own = this.#ofChunk(chunk.id)
    return chunk.role === 'list' && own.size === 0 ? this.#ofChildren(chunk) : own
  }

  /** Where a chunk of the tree cannot be read, its own culprits are all that is known. */
  async #ofChildren(chunk: GraphChunk): Promise<Culprits> {
    try {
      return await this.#ofAll(await childrenOf(this.#chunks.reader, chunk))
    } catch (error) {
      if (!isFailure(error) || error.kind !== 'broken') throw error
      const found = this.#chunks.index.find(chunk.id)
      return found ? new Set([packKey(ChunkIndex.packName(found))]) : new Set(this.#unreadable)
    }
  }

  #ofChunk(id: ChunkId): Culprits {
    const found = this.#chunks.index.find(id)
    if (found === undefined) return new Set(this.#unreadable)
    const pack = ChunkIndex.packName(found)
    return this.#damage.holds(pack, id) ? new Set([packKey(pack)]) : NOBODY
  }
}

/** What `read` brings; undefined where stored bytes are missing or wrong. */
async function readable<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (isFailure(error) && error.kind === 'broken') return undefined
    throw error
  }
}
