import { type ChunkId, chunkIdToHex } from '@holdfast/generations/format/chunk-id'
import type { Attributes, Entry } from '@holdfast/generations/format/entry'
import {
  type EncodedNode,
  encodeDirectory,
  encodeEntry,
  encodeRoot,
} from '@holdfast/generations/format/tree-node'

const ATTRIBUTES: Attributes = { mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] }

/** A tree that no commit wrote, by its nodes: a hostile writer of the store could put them there. */
export class ForgedTree {
  readonly nodes: EncodedNode[] = []

  directory(entries: readonly Entry[]): ChunkId {
    const encoded = encodeDirectory(entries.map(encodeEntry))
    this.nodes.push(...encoded.nodes)
    return encoded.id
  }

  /** `count` names, each of them a directory with the same content. */
  repeated(node: ChunkId, count: number): ChunkId {
    const names = Array.from({ length: count }, (_, index) => String(index).padStart(6, '0'))
    return this.directory(
      names.map((name) => ({ kind: 'directory', name, attributes: ATTRIBUTES, node }) as const),
    )
  }

  /** `count` empty files. */
  files(count: number): ChunkId {
    const names = Array.from({ length: count }, (_, index) => String(index).padStart(6, '0'))
    return this.directory(
      names.map((name) => ({ kind: 'file', name, attributes: ATTRIBUTES, link: 0, content: [] }) as const),
    )
  }

  /** A tree of 2^levels copies of a directory, in `levels` nodes. */
  doubled(node: ChunkId, levels: number): ChunkId {
    let top = node
    for (let level = 0; level < levels; level++) top = this.repeated(top, 2)
    return top
  }

  /** The root over a directory: 64 hex digits. */
  root(node: ChunkId): string {
    const root = encodeRoot({ kind: 'directory', name: '', attributes: ATTRIBUTES, node })
    this.nodes.push(root)
    return chunkIdToHex(root.id)
  }
}
