import type { ByteRange, ObjectStore, StoredObject } from '../store/object-store.ts'

/** Any store, with a count of its reads. */
export class CountingStore implements ObjectStore {
  readonly address: string
  gets = 0
  readonly #inner: ObjectStore

  constructor(inner: ObjectStore) {
    this.address = inner.address
    this.#inner = inner
  }

  put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#inner.put(key, parts)
  }

  get(key: string, range?: ByteRange): Promise<Uint8Array> {
    this.gets += 1
    return this.#inner.get(key, range)
  }

  head(key: string): Promise<{ readonly bytes: number } | undefined> {
    return this.#inner.head(key)
  }

  list(prefix: string): AsyncIterable<StoredObject> {
    return this.#inner.list(prefix)
  }

  delete(key: string): Promise<void> {
    return this.#inner.delete(key)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]()
  }
}
