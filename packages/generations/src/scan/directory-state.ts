import { ByteReader } from '../format/byte-reader.ts'
import { type ByteString, fromText, toText } from '../format/byte-string.ts'
import { ByteWriter } from '../format/byte-writer.ts'
import { CHUNK_ID_BYTES, type ChunkId } from '../format/chunk-id.ts'
import { type Entry, kindOfEntry } from '../format/entry.ts'
import type { Notice, NoticeReason } from '../format/generation-record.ts'
import type { RawEntry } from '../format/tree-node.ts'

/** Numbers kept for each name: inode, size, mtime and ctime in milliseconds (exact to 0.25 µs). */
export const STAT_FIELDS = 4

/**
 * What the last commit knew of one directory: every name that was seen with its stat fields, and the entry that it
 * became. A name without entry bytes was absorbed by another (a WAL) or skipped (a fifo).
 */
export interface DirectoryState {
  readonly names: readonly ByteString[]
  readonly stats: Float64Array
  /** The encoded entries one after another; entry i lies between `offsets[i]` and `offsets[i + 1]`. */
  readonly entries: Uint8Array
  readonly offsets: Uint32Array
  readonly node: ChunkId
  readonly totals: DirectoryTotals
  /** What this directory holds and the generation does not. */
  readonly notices: readonly Notice[]
}

/** Of the directory itself, without its subdirectories. */
export interface DirectoryTotals {
  readonly files: number
  readonly bytes: number
  readonly databases: number
}

/** The entry of the name at `index`, or undefined. */
export function entryOf(
  state: Pick<DirectoryState, 'names' | 'entries' | 'offsets'>,
  index: number,
): RawEntry | undefined {
  const name = state.names[index]
  const start = state.offsets[index] ?? 0
  const end = state.offsets[index + 1] ?? 0
  return name === undefined || start >= end ? undefined : { name, bytes: state.entries.subarray(start, end) }
}

/** What a directory has under a name; undefined for nothing, and for what is part of another name. */
export function kindIn(state: DirectoryState, name: ByteString): Entry['kind'] | undefined {
  const raw = entryOf(state, state.names.indexOf(name))
  return raw && kindOfEntry(raw)
}

/** Packs the entries of `names`; undefined ones are names without an entry. */
export function packEntries(
  entries: readonly (RawEntry | undefined)[],
): Pick<DirectoryState, 'entries' | 'offsets'> {
  const offsets = new Uint32Array(entries.length + 1)
  let bytes = 0
  entries.forEach((entry, index) => {
    bytes += entry?.bytes.length ?? 0
    offsets[index + 1] = bytes
  })
  const packed = new Uint8Array(bytes)
  entries.forEach((entry, index) => {
    if (entry) packed.set(entry.bytes, offsets[index] ?? 0)
  })
  return { entries: packed, offsets }
}

export function isSameStat(
  stats: Float64Array,
  index: number,
  previous: Float64Array,
  previousIndex: number,
): boolean {
  const at = index * STAT_FIELDS
  const before = previousIndex * STAT_FIELDS
  return (
    stats[at + 1] === previous[before + 1] &&
    stats[at + 2] === previous[before + 2] &&
    stats[at + 3] === previous[before + 3] &&
    stats[at] === previous[before]
  )
}

/*
 * The state of one directory as bytes, laid out so that reading it back costs a few copies, not a loop over names:
 *
 *     state := 32-byte node, varint files, varint bytes, varint databases, varint notices, (string, string)*,
 *              varint names, u32 offsets[names + 1], f64 stats[4 × names], string names joined by "/", string entries
 */
export function encodeDirectoryState(state: DirectoryState): Uint8Array {
  const { files, bytes, databases } = state.totals
  const writer = new ByteWriter(state.entries.length + state.stats.byteLength * 2 + 256).latin1(state.node)
  writer.varint(files).varint(bytes).varint(databases).varint(state.notices.length)
  for (const notice of state.notices) writer.string(fromText(notice.path)).string(notice.reason)
  writer.varint(state.names.length).bytes(bytesOf(state.offsets)).bytes(bytesOf(state.stats))
  writer.string(state.names.join('/')).varint(state.entries.length).bytes(state.entries)
  return writer.finish()
}

function bytesOf(array: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/**
 * True if `listing` is what the encoded state holds, byte for byte. A stat field that may have changed unnoticed is
 * not a number in a state, and equal to none in a listing.
 */
export function isSameListing(
  encoded: Uint8Array,
  listing: { readonly stats: Uint8Array; readonly names: Uint8Array },
): boolean {
  const reader = new ByteReader(encoded, 'directory state')
  readHead(reader)
  const count = reader.count(4 + STAT_FIELDS * 8)
  reader.bytes((count + 1) * Uint32Array.BYTES_PER_ELEMENT)
  const stats = reader.bytes(count * STAT_FIELDS * Float64Array.BYTES_PER_ELEMENT)
  return stats.equals(listing.stats) && reader.bytes(reader.varint()).equals(listing.names)
}

function readHead(reader: ByteReader): Pick<DirectoryState, 'node' | 'totals' | 'notices'> {
  const node = reader.latin1(CHUNK_ID_BYTES)
  const totals = { files: reader.varint(), bytes: reader.varint(), databases: reader.varint() }
  const notices: Notice[] = []
  for (let rest = reader.count(2); rest > 0; rest--) {
    notices.push({ path: toText(reader.string()), reason: reader.string() as NoticeReason })
  }
  return { node, totals, notices }
}

/** Rejects with `object-corrupt`. */
export function decodeDirectoryState(bytes: Uint8Array): DirectoryState {
  const reader = new ByteReader(bytes, 'directory state')
  const { node, totals, notices } = readHead(reader)
  const count = reader.count(4 + STAT_FIELDS * 8)
  const offsets = new Uint32Array(count + 1)
  bytesOf(offsets).set(reader.bytes(offsets.byteLength))
  const stats = new Float64Array(count * STAT_FIELDS)
  bytesOf(stats).set(reader.bytes(stats.byteLength))
  const joined = reader.string()
  const names = count === 0 ? [] : joined.split('/')
  const entries = reader.bytes(reader.varint())
  reader.end()
  if (names.length !== count) reader.fail('its names do not fit its count')
  return { names, stats, entries, offsets, node, totals, notices }
}
