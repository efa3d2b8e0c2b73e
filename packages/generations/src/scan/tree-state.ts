import { hash } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'
import { ByteReader } from '../format/byte-reader.ts'
import type { ByteString } from '../format/byte-string.ts'
import { ByteWriter } from '../format/byte-writer.ts'
import { type DirectoryState, decodeDirectoryState, encodeDirectoryState } from './directory-state.ts'

/** A directory's state as bytes, on its way between threads. */
export type EncodedState = readonly [path: ByteString, bytes: Uint8Array]

/**
 * What the last commit knew of every directory, by path. Held as bytes, decoded one directory at a time: 100,000
 * files take about 12 MB, and other threads read the same bytes.
 */
export class TreeState {
  readonly #held = new Map<ByteString, Uint8Array | DirectoryState>()
  /** As `LinkIds` takes it. */
  readonly links = new Map<number, number>()

  get size(): number {
    return this.#held.size
  }

  paths(): Iterable<ByteString> {
    return this.#held.keys()
  }

  get(path: ByteString): DirectoryState | undefined {
    const held = this.#held.get(path)
    return held instanceof Uint8Array ? decodeDirectoryState(held) : held
  }

  /** As `get`, encoded. */
  bytesOf(path: ByteString): Uint8Array | undefined {
    const held = this.#held.get(path)
    return held && this.#encoded(path, held)
  }

  has(path: ByteString): boolean {
    return this.#held.has(path)
  }

  set(path: ByteString, state: DirectoryState): void {
    this.#held.set(path, state)
  }

  setEncoded([path, bytes]: EncodedState): void {
    this.#held.set(path, bytes)
  }

  delete(path: ByteString): void {
    this.#held.delete(path)
  }

  clear(): void {
    this.#held.clear()
  }

  /** Every directory's state. */
  *encoded(): Iterable<EncodedState> {
    for (const [path, held] of this.#held) yield [path, this.#encoded(path, held)]
  }

  #encoded(path: ByteString, held: Uint8Array | DirectoryState): Uint8Array {
    if (held instanceof Uint8Array) return held
    const bytes = encodeDirectoryState(held)
    this.#held.set(path, bytes)
    return bytes
  }

  /**
   * The whole state as a file, bound to the generation it describes. It is a cache: whatever does not parse is thrown
   * away, and every file is read again.
   *
   *     file := "HFTS", u16 2, u16 0, string generation, varint directories, (string path, string state)*,
   *             varint links, (f64 inode, f64 number)*, 32-byte SHA-256
   */
  toBytes(generation: string): Uint8Array {
    const writer = new ByteWriter(1 << 20)
      .latin1(MAGIC)
      .u16(VERSION)
      .u16(0)
      .string(generation)
      .varint(this.size)
    for (const [path, bytes] of this.encoded()) writer.string(path).varint(bytes.length).bytes(bytes)
    writer.varint(this.links.size)
    for (const [inode, id] of this.links) writer.f64(inode).f64(id)
    const body = writer.finish()
    return Buffer.concat([body, hash('sha256', body, 'buffer')])
  }

  /** Rejects with `foreign-format`, `version-unknown` or `object-corrupt`. */
  static fromBytes(bytes: Uint8Array): { readonly generation: string; readonly state: TreeState } {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
    shared.set(bytes)
    const reader = new ByteReader(shared, 'tree state')
    if (reader.remaining < 40 || reader.latin1(4) !== MAGIC)
      throw new Failure('foreign-format', 'not a tree state')
    if (reader.u16() !== VERSION) throw new Failure('version-unknown', 'tree state of another version')
    reader.u16()
    const digest = hash('sha256', bytes.subarray(0, bytes.length - 32), 'buffer')
    if (!digest.equals(bytes.subarray(bytes.length - 32))) reader.fail('its checksum is wrong')
    const generation = reader.string()
    const state = new TreeState()
    for (let rest = reader.count(2); rest > 0; rest--) {
      state.setEncoded([reader.string(), reader.bytes(reader.varint())])
    }
    for (let rest = reader.count(16); rest > 0; rest--) state.links.set(reader.f64(), reader.f64())
    return { generation, state }
  }
}

const MAGIC = 'HFTS'
const VERSION = 2
