import { crc32 } from 'node:zlib'
import { Failure } from '@holdfast/base/failure'
import { ByteReader } from './byte-reader.ts'
import type { ByteString } from './byte-string.ts'
import { ByteWriter } from './byte-writer.ts'
import { CHUNK_ID_BYTES, type ChunkId, chunkIdOf } from './chunk-id.ts'
import { type DirectoryEntry, type Entry, readEntry, writeEntry } from './entry.ts'

/*
 * One directory of a generation's Merkle tree. Its id is the SHA-256 of its bytes, and a directory entry holds that
 * id, so equal directories are stored once and one id stands for a whole subtree.
 *
 *     node   := root | leaf | branch
 *     root   := u8 1, u8 2, entry                                        the directory itself, with an empty name
 *     leaf   := u8 1, u8 0, varint entries, entry*                       sorted by name, as bytes
 *     branch := u8 1, u8 1, varint leaves, (string last-name, 32-byte id)*
 *
 * A directory of more than LEAF_ENTRIES_MAX entries is a branch over leaves. Where a leaf ends depends on the names
 * alone, so adding one entry to a large directory rewrites one leaf and the branch.
 */
const NODE_VERSION = 1
const LEAF = 0
const BRANCH = 1
const ROOT = 2

/** A directory up to this size is one leaf: a few tens of KiB. */
export const LEAF_ENTRIES_MAX = 512
/** A leaf of a large directory ends after a name whose CRC-32 is a multiple of this. */
const LEAF_ENTRIES_AVERAGE = 192

export interface EncodedNode {
  readonly id: ChunkId
  readonly bytes: Uint8Array
}

export interface EncodedDirectory {
  readonly id: ChunkId
  /** The leaves, then the branch when there is one. */
  readonly nodes: readonly EncodedNode[]
}

/** An entry as its name and its bytes: what does not change is copied, not decoded. */
export interface RawEntry {
  readonly name: ByteString
  readonly bytes: Uint8Array
}

export function encodeEntry(entry: Entry): RawEntry {
  const writer = new ByteWriter(128)
  writeEntry(writer, entry)
  return { name: entry.name, bytes: writer.finish() }
}

/** `entries` are sorted by name. */
export function encodeDirectory(entries: readonly RawEntry[]): EncodedDirectory {
  if (entries.length <= LEAF_ENTRIES_MAX) {
    const leaf = encodeLeaf(entries)
    return { id: leaf.id, nodes: [leaf] }
  }
  const branch = new ByteWriter(8192)
  const leaves = splitLeaves(entries)
  branch.u8(NODE_VERSION).u8(BRANCH).varint(leaves.length)
  const nodes: EncodedNode[] = []
  for (const group of leaves) {
    const leaf = encodeLeaf(group)
    nodes.push(leaf)
    branch.string(group.at(-1)?.name ?? '').latin1(leaf.id)
  }
  const bytes = branch.finish()
  const id = chunkIdOf(bytes)
  return { id, nodes: [...nodes, { id, bytes }] }
}

function splitLeaves(entries: readonly RawEntry[]): RawEntry[][] {
  const leaves: RawEntry[][] = []
  let leaf: RawEntry[] = []
  for (const entry of entries) {
    leaf.push(entry)
    const ends = crc32(Buffer.from(entry.name, 'latin1')) % LEAF_ENTRIES_AVERAGE === 0
    if (ends || leaf.length === LEAF_ENTRIES_MAX) {
      leaves.push(leaf)
      leaf = []
    }
  }
  if (leaf.length > 0) leaves.push(leaf)
  return leaves
}

function encodeLeaf(entries: readonly RawEntry[]): EncodedNode {
  const writer = new ByteWriter(entries.length * 96 + 16)
  writer.u8(NODE_VERSION).u8(LEAF).varint(entries.length)
  for (const entry of entries) writer.bytes(entry.bytes)
  const bytes = writer.finish()
  return { id: chunkIdOf(bytes), bytes }
}

/** The top of a tree: the attributes of the committed directory and the node of its entries. */
export function encodeRoot(root: DirectoryEntry): EncodedNode {
  const writer = new ByteWriter(128).u8(NODE_VERSION).u8(ROOT)
  writeEntry(writer, root)
  const bytes = writer.finish()
  return { id: chunkIdOf(bytes), bytes }
}

/** Rejects with `object-corrupt` for bytes that are not a root. */
export function decodeRoot(bytes: Uint8Array): DirectoryEntry {
  const reader = new ByteReader(bytes, 'root node')
  if (readForm(reader) !== ROOT) reader.fail('not a root')
  const entry = readEntry(reader)
  reader.end()
  if (entry.kind !== 'directory' || entry.name !== '') return reader.fail('a root is not a directory')
  return entry
}

export type Node =
  | { readonly kind: 'leaf'; readonly entries: readonly Entry[] }
  | { readonly kind: 'branch'; readonly leaves: readonly ChunkId[] }

/** Rejects with `object-corrupt` for bytes that no encoder of this version writes. */
export function decodeNode(bytes: Uint8Array): Node {
  const reader = new ByteReader(bytes, 'directory node')
  const form = readForm(reader)
  const node =
    form === LEAF ? readLeaf(reader) : form === BRANCH ? readBranch(reader) : reader.fail(`form ${form}`)
  reader.end()
  return node
}

function readForm(reader: ByteReader): number {
  const version = reader.u8()
  if (version !== NODE_VERSION) throw new Failure('version-unknown', `directory node of version ${version}`)
  return reader.u8()
}

function readLeaf(reader: ByteReader): Node {
  const entries: Entry[] = []
  const count = reader.count(13)
  for (let index = 0; index < count; index++) {
    const entry = readEntry(reader)
    const before = entries.at(-1)
    checkName(reader, entry.name)
    if (before !== undefined && before.name >= entry.name) reader.fail('names are out of order')
    entries.push(entry)
  }
  return { kind: 'leaf', entries }
}

function readBranch(reader: ByteReader): Node {
  const leaves: ChunkId[] = []
  const count = reader.count(CHUNK_ID_BYTES + 1)
  for (let index = 0; index < count; index++) {
    checkName(reader, reader.string())
    leaves.push(reader.latin1(CHUNK_ID_BYTES))
  }
  return { kind: 'branch', leaves }
}

/** A name from stored bytes becomes part of a path at restore: nothing may step out of its directory. */
function checkName(reader: ByteReader, name: ByteString): void {
  if (name === '' || name === '.' || name === '..' || name.length > 255 || /[/\0]/.test(name))
    reader.fail('a name is not a file name')
}
