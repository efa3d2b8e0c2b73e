import type { Failure } from '@holdfast/base/failure'
import { objectMissing, rangePastEnd } from '../store/object-key.ts'
import type { ByteRange, ObjectStore, StoredObject } from '../store/object-store.ts'

/** A store in which some objects are not what was put. */
export class DamagedStore implements ObjectStore {
  readonly address: string
  /** Met by every read after the next `readsLeft`. */
  refusal: Failure | undefined
  readsLeft = 0
  readonly #inner: ObjectStore
  /** Null: the object is gone. */
  readonly #replaced = new Map<string, Buffer | null>()

  constructor(inner: ObjectStore) {
    this.address = inner.address
    this.#inner = inner
  }

  /** Every object with its size. */
  async objects(): Promise<StoredObject[]> {
    const found: StoredObject[] = []
    for await (const object of this.#inner.list('')) found.push(object)
    return found.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async flipBit(key: string, bit: number): Promise<void> {
    const bytes = Buffer.from(await this.#inner.get(key))
    const at = Math.floor(bit / 8)
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit % 8)), at)
    this.#replaced.set(key, bytes)
  }

  async truncate(key: string, bytes: number): Promise<void> {
    this.#replaced.set(key, Buffer.from(await this.#inner.get(key)).subarray(0, bytes))
  }

  remove(key: string): void {
    this.#replaced.set(key, null)
  }

  async swap(one: string, other: string): Promise<void> {
    const [first, second] = await Promise.all([this.#inner.get(one), this.#inner.get(other)])
    this.#replaced.set(one, Buffer.from(second))
    this.#replaced.set(other, Buffer.from(first))
  }

  heal(): void {
    this.refusal = undefined
    this.#replaced.clear()
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    if (this.refusal && --this.readsLeft < 0) throw this.refusal
    const bytes = this.#replaced.get(key)
    if (bytes === undefined) return this.#inner.get(key, range)
    if (bytes === null) throw objectMissing(key)
    if (range === undefined) return Buffer.from(bytes)
    if (range.offset + range.length > bytes.length) throw rangePastEnd(key, bytes.length, range)
    return Buffer.from(bytes.subarray(range.offset, range.offset + range.length))
  }

  async head(key: string): Promise<{ readonly bytes: number } | undefined> {
    const bytes = this.#replaced.get(key)
    if (bytes === undefined) return this.#inner.head(key)
    return bytes === null ? undefined : { bytes: bytes.length }
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    for await (const object of this.#inner.list(prefix)) {
      const bytes = this.#replaced.get(object.key)
      if (bytes !== null) yield bytes === undefined ? object : { ...object, bytes: bytes.length }
    }
  }

  put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#inner.put(key, parts)
  }

  delete(key: string): Promise<void> {
    return this.#inner.delete(key)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]()
  }
}
