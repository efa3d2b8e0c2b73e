import type { ByteRange, ObjectStore, StoredObject } from '@holdfast/generations/store/object-store'

/** A store that counts the requests made to it. */
export class CountingStore implements ObjectStore {
  readonly #store: ObjectStore
  puts = 0
  gets = 0

  constructor(store: ObjectStore) {
    this.#store = store
  }

  get address(): string {
    return this.#store.address
  }

  put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    this.puts++
    return this.#store.put(key, parts)
  }

  get(key: string, range?: ByteRange): Promise<Uint8Array> {
    this.gets++
    return this.#store.get(key, range)
  }

  head(key: string): Promise<{ readonly bytes: number } | undefined> {
    return this.#store.head(key)
  }

  list(prefix: string): AsyncIterable<StoredObject> {
    return this.#store.list(prefix)
  }

  delete(key: string): Promise<void> {
    return this.#store.delete(key)
  }

  /** Bytes of every object. */
  async storedBytes(): Promise<number> {
    let sum = 0
    for await (const { bytes } of this.list('')) sum += bytes
    return sum
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }
}
