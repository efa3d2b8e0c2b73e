import type { ChunkId } from '../format/chunk-id.ts'
import type { Content } from '../format/content.ts'
import { decodeContentList } from '../format/content-list.ts'
import type { Entry } from '../format/entry.ts'
import { decodeNode, decodeRoot } from '../format/tree-node.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import { type GiveWay, Turns } from './turns.ts'

/** What a chunk is to the chunk that names it; equal bytes under two roles are two members of the graph. */
export type ChunkRole = 'root' | 'node' | 'list' | 'content' | 'record'

export interface GraphChunk {
  readonly id: ChunkId
  readonly role: ChunkRole
  /** The bytes that a list covers; 0 for other roles. */
  readonly covers: number
}

interface Member extends GraphChunk {
  /** Numbers of the chunks it names, in order; undefined until it has been read. */
  children: Uint32Array | undefined
}

/** To read a chunk that names others takes as long as to look at so many that were read before. */
const CHUNKS_A_READ = 50
const NONE = new Uint32Array(0)

/**
 * Which chunks name which. Ids are hashes, so what was read once holds for ever: one graph serves many marks, and
 * generations that share subtrees share their members. Takes about 150 bytes of memory a chunk.
 */
export class ChunkGraph {
  readonly #numbers = new Map<string, number>()
  readonly #members: Member[] = []

  /** The number of chunks it knows. */
  get size(): number {
    return this.#members.length
  }

  member(number: number): GraphChunk {
    return this.#at(number)
  }

  /** Every chunk that `roots` reach, in the order of a walk. Rejects as `ChunkReader.read` does. */
  async reached(
    chunks: ChunkReader,
    roots: readonly GraphChunk[],
    giveWay?: GiveWay,
  ): Promise<ReachedChunks> {
    const seen = new Set<number>()
    const turns = Turns.ofChunks(giveWay)
    for (const root of roots) {
      const waiting = [this.#number(root)]
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (seen.has(next)) continue
        seen.add(next)
        const member = this.#at(next)
        if (turns.isOver(member.children ? 1 : CHUNKS_A_READ)) await turns.pass()
        const children = member.children ?? (await this.#readChildren(chunks, member))
        for (let index = children.length - 1; index >= 0; index--) waiting.push(children[index] ?? 0)
      }
    }
    return new ReachedChunks(this, seen)
  }

  async #readChildren(chunks: ChunkReader, member: Member): Promise<Uint32Array> {
    const children = Uint32Array.from(await childrenOf(chunks, member), (child) => this.#number(child))
    member.children = children
    return children
  }

  #number(chunk: GraphChunk): number {
    const key = `${chunk.role}${chunk.id}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const isLeaf = chunk.role === 'content' || chunk.role === 'record'
    this.#members.push({ ...chunk, children: isLeaf ? NONE : undefined })
    this.#numbers.set(key, this.#members.length - 1)
    return this.#members.length - 1
  }

  #at(number: number): Member {
    const member = this.#members[number]
    if (member === undefined) throw new Error(`no member ${number} in the graph`)
    return member
  }
}

/** The chunks that some generations need. */
export class ReachedChunks {
  readonly #graph: ChunkGraph
  readonly #numbers: ReadonlySet<number>

  constructor(graph: ChunkGraph, numbers: ReadonlySet<number>) {
    this.#graph = graph
    this.#numbers = numbers
  }

  get size(): number {
    return this.#numbers.size
  }

  *[Symbol.iterator](): Iterator<GraphChunk> {
    for (const number of this.#numbers) yield this.#graph.member(number)
  }
}

export function rootOf(id: ChunkId): GraphChunk {
  return { id, role: 'root', covers: 0 }
}

export function recordOf(id: ChunkId): GraphChunk {
  return { id, role: 'record', covers: 0 }
}

/** The chunks that a chunk names, read from the store. */
export async function childrenOf(chunks: ChunkReader, chunk: GraphChunk): Promise<GraphChunk[]> {
  switch (chunk.role) {
    case 'root':
      return [{ id: decodeRoot(await chunks.read(chunk.id)).node, role: 'node', covers: 0 }]
    case 'node': {
      const node = decodeNode(await chunks.read(chunk.id))
      if (node.kind === 'branch') return node.leaves.map((id) => ({ id, role: 'node', covers: 0 }))
      return node.entries.flatMap(chunksOfEntry)
    }
    case 'list':
      return chunksOfContent(decodeContentList(await chunks.read(chunk.id), chunk.covers))
    case 'content':
    case 'record':
      return []
  }
}

/** The chunks that an entry of a directory names. */
export function chunksOfEntry(entry: Entry): GraphChunk[] {
  switch (entry.kind) {
    case 'directory':
      return [{ id: entry.node, role: 'node', covers: 0 }]
    case 'file':
      return chunksOfContent(entry.content)
    case 'database':
      return [entry.base, ...entry.deltas.map((delta) => delta.content)].flatMap(chunksOfContent)
    case 'symlink':
      return []
  }
}

function chunksOfContent(content: Content): GraphChunk[] {
  return content.flatMap((part): GraphChunk[] => {
    if (part.kind === 'hole') return []
    if (part.kind === 'chunk') return [{ id: part.id, role: 'content', covers: 0 }]
    return [{ id: part.id, role: 'list', covers: part.bytes }]
  })
}
